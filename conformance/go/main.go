// A subscriber with the official Go SDK: one case from LARKSPUR_CASE, what arrives as lines of JSON on stdout.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"

	larkcard "github.com/larksuite/oapi-sdk-go/v3/card"
	larkcore "github.com/larksuite/oapi-sdk-go/v3/core"
	"github.com/larksuite/oapi-sdk-go/v3/core/httpserverext"
	larkevent "github.com/larksuite/oapi-sdk-go/v3/event"
	"github.com/larksuite/oapi-sdk-go/v3/event/dispatcher"
	"github.com/larksuite/oapi-sdk-go/v3/event/dispatcher/callback"
	larkapplication "github.com/larksuite/oapi-sdk-go/v3/service/application/v6"
	larkcorehr "github.com/larksuite/oapi-sdk-go/v3/service/corehr/v2"
	larkhire "github.com/larksuite/oapi-sdk-go/v3/service/hire/v1"
	larkws "github.com/larksuite/oapi-sdk-go/v3/ws"
)

// Has a handler of its own, beside the dispatcher.
const oldCard = "card.action.trigger_v1"

type settings struct {
	Domain            string   `json:"domain"`
	AppID             string   `json:"app_id"`
	AppSecret         string   `json:"app_secret"`
	EncryptKey        string   `json:"encrypt_key"`
	VerificationToken string   `json:"verification_token"`
	Mode              string   `json:"mode"`
	Port              int      `json:"port"`
	Types             []string `json:"types"`
	FailFirst         int      `json:"fail_first"`
}

var (
	config settings
	lock   sync.Mutex
)

func say(line any) {
	lock.Lock()
	defer lock.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// Prints what the SDK decoded into its structs, then fails as often as the case asks for.
func received(base *larkevent.EventV2Base, payload any) error {
	lock.Lock()
	failing := config.FailFirst > 0
	if failing {
		config.FailFirst--
	}
	lock.Unlock()
	say(map[string]any{"event": base.Header.EventType, "header": base.Header, "payload": payload, "failing": failing})
	if failing {
		return errors.New("this handler fails on purpose")
	}
	return nil
}

func toast(content string) map[string]any {
	return map[string]any{"toast": map[string]any{"type": "info", "content": content}}
}

// Answers what the card's button says.
func onCard(_ context.Context, event *callback.CardActionTriggerEvent) (*callback.CardActionTriggerResponse, error) {
	say(map[string]any{"event": event.EventV2Base.Header.EventType, "payload": event.Event})
	echo, _ := event.Event.Action.Value["echo"].(string)
	return &callback.CardActionTriggerResponse{Toast: &callback.Toast{Type: "info", Content: echo}}, nil
}

func onOldCard(_ context.Context, card *larkcard.CardAction) (any, error) {
	value := card.Action.Value
	say(map[string]any{"event": oldCard, "payload": map[string]any{
		"open_id": card.OpenID, "open_message_id": card.OpenMessageID, "token": card.Token, "value": value}})
	echo, _ := value["echo"].(string)
	return toast(echo), nil
}

func register(to *dispatcher.EventDispatcher, eventType string) {
	switch eventType {
	case "card.action.trigger":
		to.OnP2CardActionTrigger(onCard)
	case "hire.eco_background_check.created_v1":
		to.OnP2EcoBackgroundCheckCreatedV1(func(_ context.Context, event *larkhire.P2EcoBackgroundCheckCreatedV1) error {
			return received(event.EventV2Base, event.Event)
		})
	case "hire.eco_background_check.canceled_v1":
		to.OnP2EcoBackgroundCheckCanceledV1(func(_ context.Context, event *larkhire.P2EcoBackgroundCheckCanceledV1) error {
			return received(event.EventV2Base, event.Event)
		})
	case "hire.eco_exam.created_v1":
		to.OnP2EcoExamCreatedV1(func(_ context.Context, event *larkhire.P2EcoExamCreatedV1) error {
			return received(event.EventV2Base, event.Event)
		})
	case "corehr.job_change.status_updated_v2":
		to.OnP2JobChangeStatusUpdatedV2(func(_ context.Context, event *larkcorehr.P2JobChangeStatusUpdatedV2) error {
			return received(event.EventV2Base, event.Event)
		})
	case "application.application.app_version.publish_revoke_v6":
		to.OnP2ApplicationAppVersionPublishRevokeV6(
			func(_ context.Context, event *larkapplication.P2ApplicationAppVersionPublishRevokeV6) error {
				return received(event.EventV2Base, event.Event)
			})
	}
}

func run() error {
	webhook := config.Mode == "webhook"
	handler := dispatcher.NewEventDispatcher("", "")
	if webhook {
		handler = dispatcher.NewEventDispatcher(config.VerificationToken, config.EncryptKey)
	}
	for _, eventType := range config.Types {
		register(handler, eventType)
	}
	if !webhook {
		client := larkws.NewClient(config.AppID, config.AppSecret, larkws.WithEventHandler(handler),
			larkws.WithDomain(config.Domain), larkws.WithLogLevel(larkcore.LogLevelInfo))
		say(map[string]any{"ready": true})
		return client.Start(context.Background())
	}
	http.HandleFunc("/webhook/event", httpserverext.NewEventHandlerFunc(handler))
	cards := larkcard.NewCardActionHandler(config.VerificationToken, config.EncryptKey, onOldCard)
	http.HandleFunc("/webhook/card", httpserverext.NewCardActionHandlerFunc(cards))
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", config.Port))
	if err != nil {
		return err
	}
	say(map[string]any{"ready": true})
	return http.Serve(listener, nil)
}

func main() {
	err := json.Unmarshal([]byte(os.Getenv("LARKSPUR_CASE")), &config)
	if err == nil {
		err = run()
	}
	if err != nil {
		say(map[string]any{"error": err.Error()})
		os.Exit(3)
	}
}
