import com.google.gson.JsonObject;
import com.lark.oapi.core.utils.Jsons;
import com.lark.oapi.event.EventDispatcher;
import com.lark.oapi.event.cardcallback.P2CardActionTriggerHandler;
import com.lark.oapi.event.cardcallback.model.CallBackToast;
import com.lark.oapi.event.cardcallback.model.P2CardActionTrigger;
import com.lark.oapi.event.cardcallback.model.P2CardActionTriggerResponse;

/** Callbacks, which the SDK has since its version 2.4. */
public class Cards {
    public static void register(EventDispatcher.Builder to) {
        to.onP2CardActionTrigger(new P2CardActionTriggerHandler() {
            @Override
            public P2CardActionTriggerResponse handle(P2CardActionTrigger event) {
                JsonObject line = new JsonObject();
                line.addProperty("event", event.getHeader().getEventType());
                line.add("payload", Jsons.DEFAULT.toJsonTree(event.getEvent()));
                Subscriber.say(line);
                CallBackToast toast = new CallBackToast();
                toast.setType("info");
                toast.setContent(String.valueOf(event.getEvent().getAction().getValue().get("echo")));
                P2CardActionTriggerResponse answer = new P2CardActionTriggerResponse();
                answer.setToast(toast);
                return answer;
            }
        });
    }
}
