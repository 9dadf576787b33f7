import com.lark.oapi.sdk.servlet.ext.ServletAdapter;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.InetSocketAddress;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import javax.tools.ToolProvider;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.web.bind.annotation.RequestMapping;

/**
 * Compiles an official sample program and runs it: its main method, or, when it is a Spring controller, its one route
 * with what it wants injected. Arguments: source file, class, port.
 */
public class SampleHost {
    public static void main(String[] arguments) throws Exception {
        Path source = Path.of(arguments[0]);
        Path classes = source.resolveSibling("classes");
        int failed = ToolProvider.getSystemJavaCompiler().run(null, null, null, "-encoding", "UTF-8", "-nowarn",
                "-proc:none", "-cp", System.getProperty("java.class.path"), "-d", classes.toString(), source.toString());
        if (failed != 0) {
            System.exit(3);
        }
        ClassLoader loader = new URLClassLoader(new URL[] {classes.toUri().toURL()});
        Class<?> sample = loader.loadClass(arguments[1]);
        try {
            Method main = sample.getMethod("main", String[].class);
            main.invoke(null, (Object) new String[0]);
        } catch (NoSuchMethodException controller) {
            serve(sample, Integer.parseInt(arguments[2]));
        }
    }

    private static void serve(Class<?> sample, int port) throws Exception {
        Object controller = sample.getDeclaredConstructor().newInstance();
        for (Field field : sample.getDeclaredFields()) {
            if (field.isAnnotationPresent(Autowired.class)) {
                field.setAccessible(true);
                field.set(controller, new ServletAdapter());
            }
        }
        ServletContextHandler routes = new ServletContextHandler();
        for (Method method : sample.getDeclaredMethods()) {
            RequestMapping mapping = method.getAnnotation(RequestMapping.class);
            if (mapping != null) {
                routes.addServlet(new ServletHolder(servlet(controller, method)), mapping.value()[0]);
            }
        }
        Server server = new Server(new InetSocketAddress("127.0.0.1", port));
        server.setHandler(routes);
        server.start();
        server.join();
    }

    private static HttpServlet servlet(Object controller, Method method) {
        return new HttpServlet() {
            @Override
            protected void doPost(HttpServletRequest request, HttpServletResponse response) throws ServletException {
                try {
                    method.invoke(controller, request, response);
                } catch (IllegalAccessException | InvocationTargetException error) {
                    throw new ServletException(error);
                }
            }
        };
    }
}
