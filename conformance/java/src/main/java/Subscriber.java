import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.lark.oapi.card.CardActionHandler;
import com.lark.oapi.core.utils.Jsons;
import com.lark.oapi.event.EventDispatcher;
import com.lark.oapi.event.model.BaseEventV2;
import com.lark.oapi.sdk.servlet.ext.ServletAdapter;
import com.lark.oapi.service.application.ApplicationService;
import com.lark.oapi.service.application.v6.model.P2ApplicationAppVersionPublishRevokeV6;
import com.lark.oapi.service.corehr.CorehrService;
import com.lark.oapi.service.corehr.v2.model.P2JobChangeStatusUpdatedV2;
import com.lark.oapi.service.hire.HireService;
import com.lark.oapi.service.hire.v1.model.P2EcoBackgroundCheckCanceledV1;
import com.lark.oapi.service.hire.v1.model.P2EcoBackgroundCheckCreatedV1;
import com.lark.oapi.service.hire.v1.model.P2EcoExamCreatedV1;
import com.lark.oapi.ws.Client;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/** A subscriber with the official Java SDK: one case from LARKSPUR_CASE, what arrives as lines of JSON on stdout. */
public class Subscriber {
    static class Case {
        String domain;
        String app_id;
        String app_secret;
        String encrypt_key;
        String verification_token;
        String mode;
        int port;
        String[] types;
        int fail_first;
    }

    /** Has a handler of its own, beside the dispatcher. */
    private static final String OLD_CARD = "card.action.trigger_v1";

    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    private static Case config;
    private static AtomicInteger failuresLeft;

    public static void main(String[] arguments) {
        config = new Gson().fromJson(System.getenv("LARKSPUR_CASE"), Case.class);
        failuresLeft = new AtomicInteger(config.fail_first);
        try {
            if (config.mode.equals("webhook")) {
                listen(dispatcher(config.verification_token, config.encrypt_key));
            } else {
                Client client = new Client.Builder(config.app_id, config.app_secret)
                        .eventHandler(dispatcher("", ""))
                        .domain(config.domain)
                        .build();
                ready();
                client.start();
            }
        } catch (Throwable error) {
            JsonObject line = new JsonObject();
            line.addProperty("error", error.toString());
            say(line);
            System.exit(3);
        }
    }

    private static EventDispatcher dispatcher(String verificationToken, String encryptKey) {
        EventDispatcher.Builder builder = EventDispatcher.newBuilder(verificationToken, encryptKey);
        for (String type : config.types) {
            register(builder, type);
        }
        return builder.build();
    }

    private static void register(EventDispatcher.Builder to, String type) {
        switch (type) {
            case "card.action.trigger":
                registerCard(to);
                break;
            case OLD_CARD:
                break;
            case "hire.eco_background_check.created_v1":
                to.onP2EcoBackgroundCheckCreatedV1(new HireService.P2EcoBackgroundCheckCreatedV1Handler() {
                    @Override
                    public void handle(P2EcoBackgroundCheckCreatedV1 event) throws Exception {
                        received(event, event.getEvent());
                    }
                });
                break;
            case "hire.eco_background_check.canceled_v1":
                to.onP2EcoBackgroundCheckCanceledV1(new HireService.P2EcoBackgroundCheckCanceledV1Handler() {
                    @Override
                    public void handle(P2EcoBackgroundCheckCanceledV1 event) throws Exception {
                        received(event, event.getEvent());
                    }
                });
                break;
            case "hire.eco_exam.created_v1":
                to.onP2EcoExamCreatedV1(new HireService.P2EcoExamCreatedV1Handler() {
                    @Override
                    public void handle(P2EcoExamCreatedV1 event) throws Exception {
                        received(event, event.getEvent());
                    }
                });
                break;
            case "corehr.job_change.status_updated_v2":
                to.onP2JobChangeStatusUpdatedV2(new CorehrService.P2JobChangeStatusUpdatedV2Handler() {
                    @Override
                    public void handle(P2JobChangeStatusUpdatedV2 event) throws Exception {
                        received(event, event.getEvent());
                    }
                });
                break;
            case "application.application.app_version.publish_revoke_v6":
                to.onP2ApplicationAppVersionPublishRevokeV6(
                        new ApplicationService.P2ApplicationAppVersionPublishRevokeV6Handler() {
                            @Override
                            public void handle(P2ApplicationAppVersionPublishRevokeV6 event) throws Exception {
                                received(event, event.getEvent());
                            }
                        });
                break;
            default:
                throw new IllegalArgumentException("no handler is written for " + type);
        }
    }

    /** Older versions of the SDK have no callbacks, and this is compiled with them as well. */
    private static void registerCard(EventDispatcher.Builder to) {
        try {
            Class.forName("Cards").getMethod("register", EventDispatcher.Builder.class).invoke(null, to);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException("this version has no callbacks", error);
        }
    }

    /** Answers what the card's button says. */
    private static Object oldCard(com.lark.oapi.card.model.CardAction card) {
        Object value = card.getAction().getValue();
        JsonObject payload = new JsonObject();
        payload.addProperty("open_id", card.getOpenId());
        payload.addProperty("open_message_id", card.getOpenMessageId());
        payload.addProperty("token", card.getToken());
        payload.add("value", new Gson().toJsonTree(value));
        JsonObject line = new JsonObject();
        line.addProperty("event", OLD_CARD);
        line.add("payload", payload);
        say(line);
        JsonObject toast = new JsonObject();
        toast.addProperty("type", "info");
        toast.add("content", payload.getAsJsonObject("value").get("echo"));
        JsonObject answer = new JsonObject();
        answer.add("toast", toast);
        return answer;
    }

    /** Prints what the SDK decoded into its classes, then fails as often as the case asks for. */
    private static void received(BaseEventV2 event, Object payload) throws Exception {
        boolean failing = failuresLeft.getAndUpdate(left -> Math.max(0, left - 1)) > 0;
        JsonObject line = new JsonObject();
        line.addProperty("event", event.getHeader().getEventType());
        line.add("header", Jsons.DEFAULT.toJsonTree(event.getHeader()));
        line.add("payload", Jsons.DEFAULT.toJsonTree(payload));
        line.addProperty("failing", failing);
        say(line);
        if (failing) {
            throw new IllegalStateException("this handler fails on purpose");
        }
    }

    private static void listen(EventDispatcher dispatcher) throws Exception {
        ServletAdapter adapter = new ServletAdapter();
        Server server = new Server();
        ServerConnector connector = new ServerConnector(server);
        connector.setHost("127.0.0.1");
        connector.setPort(config.port);
        server.addConnector(connector);
        ServletContextHandler context = new ServletContextHandler();
        context.addServlet(new ServletHolder(new HttpServlet() {
            @Override
            protected void service(HttpServletRequest request, HttpServletResponse response)
                    throws ServletException, IOException {
                try {
                    adapter.handleEvent(request, response, dispatcher);
                } catch (IOException | RuntimeException error) {
                    throw error;
                } catch (Throwable error) {
                    throw new ServletException(error);
                }
            }
        }), "/webhook/event");
        CardActionHandler cards = CardActionHandler.newBuilder(
                config.verification_token, config.encrypt_key, Subscriber::oldCard).build();
        context.addServlet(new ServletHolder(new HttpServlet() {
            @Override
            protected void service(HttpServletRequest request, HttpServletResponse response)
                    throws ServletException, IOException {
                try {
                    adapter.handleCardAction(request, response, cards);
                } catch (IOException | RuntimeException error) {
                    throw error;
                } catch (Throwable error) {
                    throw new ServletException(error);
                }
            }
        }), "/webhook/card");
        server.setHandler(context);
        server.start();
        ready();
    }

    private static void ready() {
        JsonObject line = new JsonObject();
        line.addProperty("ready", true);
        say(line);
    }

    static void say(JsonObject line) {
        OUT.println(line);
    }
}
