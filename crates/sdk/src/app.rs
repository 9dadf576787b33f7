//! An app: who we are, and where the platform is.

use std::fmt;

use http::Uri;
use larkspur_wire::{AppId, IdError, Secret};

#[cfg(feature = "net")]
use crate::net::{Proxy, ProxyError, Way};

/// Where the platform is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Domain {
    /// Feishu, `https://open.feishu.cn`.
    #[default]
    Feishu,
    /// Lark, `https://open.larksuite.com`.
    Lark,
    /// Another one, such as a Larkspur platform: scheme, host and port.
    Custom(Uri),
}

impl Domain {
    /// Reads the address of a platform, for example `http://127.0.0.1:7070`.
    pub fn parse(url: &str) -> Result<Self, AppError> {
        let refuse = |reason: String| AppError::BadDomain { reason };
        let parsed: Uri = url
            .parse()
            .map_err(|error: http::uri::InvalidUri| refuse(error.to_string()))?;
        match parsed.scheme_str() {
            Some("http" | "https") if parsed.host().is_some_and(|host| !host.is_empty()) => Ok(Self::Custom(parsed)),
            Some("http" | "https") => Err(refuse(format!("`{url}` has no host"))),
            Some(other) => Err(refuse(format!("`{other}` is neither http nor https"))),
            None => Err(refuse(format!("`{url}` does not begin with http:// or https://"))),
        }
    }

    #[cfg(feature = "net")]
    pub(crate) fn join(&self, path: &str) -> String {
        match self {
            Self::Feishu => format!("https://open.feishu.cn{path}"),
            Self::Lark => format!("https://open.larksuite.com{path}"),
            Self::Custom(uri) => format!("{}{path}", uri.to_string().trim_end_matches('/')),
        }
    }
}

/// An app cannot be described like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// An environment variable is missing.
    #[error("the environment variable `{name}` is not set; set it to the app's value from the developer console")]
    Missing {
        /// Which.
        name: &'static str,
    },
    /// The App ID is none.
    #[error("the App ID is not valid")]
    BadAppId(#[from] IdError),
    /// The proxy is no address.
    #[cfg(feature = "net")]
    #[error(transparent)]
    BadProxy(#[from] ProxyError),
    /// The domain is no address.
    #[error("the domain is no address such as `https://open.feishu.cn`: {reason}")]
    BadDomain {
        /// What is wrong with it.
        reason: String,
    },
}

/// An app's credentials, and where its platform is.
///
/// ```
/// use larkspur::{App, Domain};
/// let app = App::new("cli_9f5343c580712544", "the App Secret")?
///     .domain(Domain::Lark)
///     .encrypt_key("the Encrypt Key")
///     .verification_token("the Verification Token");
/// # Ok::<(), larkspur::AppError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct App {
    pub(crate) id: AppId,
    #[cfg_attr(
        not(feature = "net"),
        expect(dead_code, reason = "only who reaches the platform needs it")
    )]
    pub(crate) secret: Secret,
    pub(crate) domain: Domain,
    pub(crate) encrypt_key: Secret,
    pub(crate) verification_token: Secret,
    #[cfg(feature = "net")]
    pub(crate) way: Way,
}

impl App {
    /// An app of Feishu with its App ID and App Secret.
    pub fn new(id: &str, secret: impl Into<Secret>) -> Result<Self, AppError> {
        Ok(Self {
            id: id.parse()?,
            secret: secret.into(),
            domain: Domain::default(),
            encrypt_key: Secret::default(),
            verification_token: Secret::default(),
            #[cfg(feature = "net")]
            way: Way::default(),
        })
    }

    /// Reads `FEISHU_APP_ID` and `FEISHU_APP_SECRET`, and when they are set `FEISHU_ENCRYPT_KEY`,
    /// `FEISHU_VERIFICATION_TOKEN`, `FEISHU_BASE_URL` and `FEISHU_PROXY`.
    pub fn from_env() -> Result<Self, AppError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, AppError> {
        let required = |name| {
            variable(name)
                .filter(|value| !value.is_empty())
                .ok_or(AppError::Missing { name })
        };
        let mut app = Self::new(&required("FEISHU_APP_ID")?, required("FEISHU_APP_SECRET")?)?;
        app.encrypt_key = variable("FEISHU_ENCRYPT_KEY").unwrap_or_default().into();
        app.verification_token = variable("FEISHU_VERIFICATION_TOKEN").unwrap_or_default().into();
        if let Some(url) = variable("FEISHU_BASE_URL").filter(|url| !url.is_empty()) {
            app.domain = Domain::parse(&url)?;
        }
        #[cfg(feature = "net")]
        if let Some(url) = variable("FEISHU_PROXY").filter(|url| !url.is_empty()) {
            app = app.proxy(Proxy::parse(&url)?);
        }
        Ok(app)
    }

    /// Where the platform is.
    pub fn domain(mut self, domain: Domain) -> Self {
        self.domain = domain;
        self
    }

    /// The Encrypt Key that webhooks are sealed and signed with.
    pub fn encrypt_key(mut self, key: impl Into<Secret>) -> Self {
        self.encrypt_key = key.into();
        self
    }

    /// The Verification Token that webhooks carry.
    pub fn verification_token(mut self, token: impl Into<Secret>) -> Self {
        self.verification_token = token.into();
        self
    }

    /// The App ID.
    pub fn id(&self) -> &str {
        self.id.as_str()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("id", &self.id)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<App, AppError> {
        let find = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        App::from_variables(find)
    }

    #[test]
    fn the_environment_names_the_app() {
        let app = from(&[
            ("FEISHU_APP_ID", "cli_9f5343c580712544"),
            ("FEISHU_APP_SECRET", "s"),
            ("FEISHU_ENCRYPT_KEY", "k"),
            ("FEISHU_VERIFICATION_TOKEN", "t"),
            ("FEISHU_BASE_URL", "http://127.0.0.1:7070/"),
            ("FEISHU_PROXY", "socks5://127.0.0.1:1080"),
        ])
        .unwrap();
        #[cfg(feature = "net")]
        assert_eq!(app.way.proxy, Proxy::parse("socks5://127.0.0.1:1080").ok());
        assert!(app.encrypt_key.matches("k") && app.verification_token.matches("t"));
        assert_eq!(app.domain, Domain::parse("http://127.0.0.1:7070").unwrap());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert_eq!(from(&[]).unwrap_err(), AppError::Missing { name: "FEISHU_APP_ID" });
        let wrong = [
            ("FEISHU_APP_ID", "cli_1"),
            ("FEISHU_APP_SECRET", "s"),
            ("FEISHU_BASE_URL", "127.0.0.1:7070"),
        ];
        assert!(matches!(from(&wrong), Err(AppError::BadDomain { .. })));
        assert!(matches!(App::new("9f53", "s"), Err(AppError::BadAppId(_))));
    }

    #[test]
    fn secrets_are_not_printed() {
        let printed = format!("{:?}", App::new("cli_1", "hidden").unwrap().encrypt_key("hidden too"));
        assert!(!printed.contains("hidden"), "{printed}");
    }
}
