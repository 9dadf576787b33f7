//! Access tokens of store apps: the ticket that the platform pushes is kept, and tenants' tokens are fetched with it.
//!
//! See <https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token>.

mod call;
mod error;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larkspur_wire::{Secret, TimestampMs};
use tokio::sync::{Mutex as AsyncMutex, watch};

use crate::app::App;
use crate::clock;
use crate::extract::RawEvent;
use crate::net::Connector;
use crate::router::Router;
use call::Asked;

pub use error::TokenError;

/// The event that brings the ticket, once an hour and when it is asked for.
const APP_TICKET: &str = "app_ticket";
/// A ticket that was asked for comes at once, or not at all.
const TICKET_WAIT: Duration = Duration::from_secs(10);
/// A token is not used any more when it has this long to live, as in the official SDKs.
const MARGIN: Duration = Duration::from_mins(3);
/// More tenants than any store app has; beyond it, tokens that have expired are forgotten.
const TENANTS_MAX: usize = 100_000;

/// The access tokens of a store app: one for each tenant that has it installed. Cheap to clone.
///
/// ```no_run
/// use larkspur::{App, Meta, Router, State, StoreTokens};
///
/// async fn on_message(meta: Meta, State(tokens): State<StoreTokens>) -> Result<(), larkspur::TokenError> {
///     let token = tokens.tenant(&meta.tenant_key).await?;
///     // `Authorization: Bearer …` with token.expose()
///     Ok(())
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = App::from_env()?;
/// let tokens = app.store_tokens()?;
/// let router = Router::new().on_raw("im.message.receive_v1", on_message);
/// let hook = app.webhook(tokens.keep_ticket(router).with_state(tokens))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StoreTokens {
    inner: Arc<Inner>,
}

struct Inner {
    app: App,
    connector: Connector,
    ticket: watch::Sender<Option<Secret>>,
    app_token: Slot,
    tenants: Mutex<HashMap<String, Arc<Slot>>>,
}

/// A token, and the right to fetch it, which one caller has at a time.
type Slot = AsyncMutex<Option<Token>>;

#[derive(Clone)]
struct Token {
    secret: Secret,
    good_until: TimestampMs,
}

impl Token {
    fn is_good(&self, now: TimestampMs) -> bool {
        now < self.good_until
    }
}

impl App {
    /// The access tokens of this app, which must be a store app.
    pub fn store_tokens(&self) -> Result<StoreTokens, TokenError> {
        let connector = Connector::new(self).map_err(|error| TokenError::Tls { reason: error.reason })?;
        Ok(StoreTokens {
            inner: Arc::new(Inner {
                app: self.clone(),
                connector,
                ticket: watch::Sender::new(None),
                app_token: Slot::default(),
                tenants: Mutex::default(),
            }),
        })
    }
}

impl StoreTokens {
    /// Adds the handler that keeps the ticket. The platform pushes it by webhook once an hour.
    pub fn keep_ticket<S: Clone + Send + Sync + 'static>(&self, router: Router<S>) -> Router<S> {
        let tokens = self.clone();
        router.on_raw(APP_TICKET, move |RawEvent(event): RawEvent| {
            let ticket = event["app_ticket"].as_str().filter(|_| tokens.is_own(&event));
            match ticket {
                Some(ticket) => tokens.set_ticket(ticket),
                None => tracing::warn!("ignored an `app_ticket` without a ticket, or of another app"),
            }
            std::future::ready(())
        })
    }

    fn is_own(&self, event: &serde_json::Value) -> bool {
        event["app_id"].as_str().is_none_or(|id| id == self.inner.app.id())
    }

    /// The ticket, to be kept over a restart. It is good for 12 hours.
    pub fn ticket(&self) -> Option<Secret> {
        self.inner.ticket.borrow().clone()
    }

    /// Sets the ticket, for those who kept it over a restart or received it elsewhere.
    pub fn set_ticket(&self, ticket: impl Into<Secret>) {
        self.inner.ticket.send_replace(Some(ticket.into()));
    }

    /// The token that speaks for the app in this tenant. It is fetched when it is asked for the first time, and again
    /// before it expires; those who ask meanwhile wait for one answer.
    ///
    /// Without a ticket the platform is asked to push one, which needs the handler of
    /// [`StoreTokens::keep_ticket`] to be reachable.
    pub async fn tenant(&self, tenant_key: &str) -> Result<Secret, TokenError> {
        let slot = self.inner.slot(tenant_key);
        let mut token = slot.lock().await;
        if let Some(good) = token.as_ref().filter(|token| token.is_good(clock::now())) {
            return Ok(good.secret.clone());
        }
        let app_token = self.app().await?;
        let fetched = self.fetch(&Asked::Tenant { app_token, tenant_key }).await?;
        Ok(token.insert(fetched).secret.clone())
    }

    /// The token that speaks for the app itself.
    pub async fn app(&self) -> Result<Secret, TokenError> {
        let mut token = self.inner.app_token.lock().await;
        if let Some(good) = token.as_ref().filter(|token| token.is_good(clock::now())) {
            return Ok(good.secret.clone());
        }
        let known = self.ticket();
        let fetched = match known {
            Some(ticket) => match self.fetch(&Asked::App { ticket }).await {
                // The ticket may be an old one.
                Err(TokenError::Refused { code, .. }) if code::is_about_the_ticket(code) => {
                    self.inner.ticket.send_replace(None);
                    self.fetch(&Asked::App {
                        ticket: self.new_ticket().await?,
                    })
                    .await?
                }
                other => other?,
            },
            None => {
                self.fetch(&Asked::App {
                    ticket: self.new_ticket().await?,
                })
                .await?
            }
        };
        Ok(token.insert(fetched).secret.clone())
    }

    /// Forgets a tenant's token, for when the open API does not take it any more.
    pub fn forget(&self, tenant_key: &str) {
        let mut tenants = self.inner.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.remove(tenant_key);
    }

    /// Asks the platform to push a ticket, and waits for it.
    async fn new_ticket(&self) -> Result<Secret, TokenError> {
        let mut watched = self.inner.ticket.subscribe();
        self.ask(&Asked::Resend).await?;
        let came = tokio::time::timeout(TICKET_WAIT, watched.wait_for(Option::is_some)).await;
        match came {
            Ok(Ok(ticket)) => ticket.clone().ok_or(TokenError::NoTicket),
            _ => Err(TokenError::NoTicket),
        }
    }

    async fn fetch(&self, asked: &Asked<'_>) -> Result<Token, TokenError> {
        let now = clock::now();
        let answer = self.ask(asked).await?;
        let token = answer.token.ok_or_else(|| TokenError::NotUnderstood {
            detail: "there is no token in it".to_owned(),
        })?;
        let life = Duration::from_secs(answer.expire_seconds).saturating_sub(MARGIN);
        Ok(Token {
            secret: token,
            good_until: now.saturating_add(life),
        })
    }
}

impl Inner {
    fn slot(&self, tenant_key: &str) -> Arc<Slot> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = tenants.get(tenant_key) {
            return Arc::clone(slot);
        }
        if tenants.len() >= TENANTS_MAX {
            let now = clock::now();
            let is_good = |slot: &Slot| {
                slot.try_lock()
                    .is_ok_and(|token| token.as_ref().is_some_and(|t| t.is_good(now)))
            };
            tenants.retain(|_, slot| is_good(slot));
            if tenants.len() >= TENANTS_MAX {
                tenants.clear();
            }
        }
        Arc::clone(tenants.entry(tenant_key.to_owned()).or_default())
    }
}

mod code {
    /// Whether a new ticket may help: the platform refuses a ticket that is old or another app's with the code for a
    /// wrong parameter, or with the one for an app token that cannot be had.
    pub(super) fn is_about_the_ticket(code: i64) -> bool {
        matches!(code, 10_003 | 10_012)
    }
}

impl fmt::Debug for StoreTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreTokens")
            .field("app", &self.inner.app)
            .field("has_ticket", &self.ticket().is_some())
            .finish_non_exhaustive()
    }
}
