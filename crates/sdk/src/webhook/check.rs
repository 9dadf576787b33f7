//! Whether a request is the platform's: signature, seal, token, and the order in which they are looked at.

use http::{HeaderMap, HeaderName};
use larkspur_wire::envelope::{Challenge, Envelope, EnvelopeError, Incoming};
use larkspur_wire::{Opener, Secret, Signed, TimestampMs, WrongRecipe, header};

use super::error::Refused;
use super::guard::ReplayGuard;

const TIMESTAMP: HeaderName = HeaderName::from_static("x-lark-request-timestamp");
const NONCE: HeaderName = HeaderName::from_static("x-lark-request-nonce");
const SIGNATURE: HeaderName = HeaderName::from_static("x-lark-signature");

/// A check of a request URL has 200 bytes. Nothing else may come without a signature, so nothing larger is opened
/// without one.
const CHALLENGE_BYTES_MAX: usize = 4_096;
/// Up to this size, a signature that does not fit is compared with the known mistakes; each costs as much as the check.
const DIAGNOSED_BYTES_MAX: usize = 64 * 1024;

/// What we know that only the platform knows too.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    encrypt_keys: Vec<Key>,
    tokens: Vec<Secret>,
}

#[derive(Clone, Debug)]
struct Key {
    secret: Secret,
    opener: Opener,
}

/// What a request asks for, once it is known to be the platform's.
#[derive(Debug)]
pub(super) enum Checked {
    /// To be sent back.
    Challenge(String),
    /// To be handled.
    Event(Envelope),
}

impl Keys {
    /// One more Encrypt Key, unless it is empty.
    pub(super) fn add_key(&mut self, secret: Secret) {
        if !secret.is_empty() {
            let opener = Opener::new(&secret);
            self.encrypt_keys.push(Key { secret, opener });
        }
    }

    /// One more Verification Token, unless it is empty.
    pub(super) fn add_token(&mut self, token: Secret) {
        if !token.is_empty() {
            self.tokens.push(token);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.encrypt_keys.is_empty() && self.tokens.is_empty()
    }

    /// Looks at a request.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        guard: Option<&ReplayGuard>,
        now: TimestampMs,
    ) -> Result<Checked, Refused> {
        let request = Request {
            headers,
            body,
            guard,
            now,
        };
        match Incoming::parse(body)? {
            Incoming::Sealed(_) if self.encrypt_keys.is_empty() => Err(Refused::NoKey),
            Incoming::Sealed(sealed) => self.sealed(&request, &sealed),
            // The platform seals what it sends to an app with a key; the token is all that an unsealed challenge has.
            Incoming::Challenge(_) if self.tokens.is_empty() => Err(Refused::NotSealed),
            Incoming::Challenge(challenge) => self.challenge(challenge),
            Incoming::Event(_) if !self.encrypt_keys.is_empty() => {
                self.signed_by(&request, None)?;
                Err(Refused::NotSealed)
            }
            Incoming::Event(envelope) => self.event(envelope),
            Incoming::CardV1(envelope) => {
                self.card_v1(&request)?;
                Ok(Checked::Event(envelope))
            }
        }
    }

    fn sealed(&self, request: &Request<'_>, sealed: &str) -> Result<Checked, Refused> {
        let key = match self.signed_by(request, Some(sealed)) {
            Ok(key) => key,
            Err(refused) => return self.unsigned(request, sealed).unwrap_or(Err(refused)),
        };
        match open(&key.opener, sealed)? {
            Incoming::Challenge(challenge) => self.challenge(challenge),
            Incoming::Event(envelope) => self.event(envelope),
            Incoming::CardV1(envelope) => Ok(Checked::Event(envelope)),
            Incoming::Sealed(_) => Err(Refused::SealedTwice),
        }
    }

    /// What may come sealed and without the usual signature: a challenge, and the old card callback with its own.
    ///
    /// Nothing that is answered depends on how a body fails to open. Otherwise somebody who recorded one could find out
    /// what it says by posting it with changes.
    fn unsigned(&self, request: &Request<'_>, sealed: &str) -> Option<Result<Checked, Refused>> {
        let is_card = self.card_v1(request).is_ok();
        if sealed.len() > CHALLENGE_BYTES_MAX && !is_card {
            return None;
        }
        let opened = |key: &Key| open(&key.opener, sealed).ok();
        match self.encrypt_keys.iter().find_map(opened)? {
            Incoming::Challenge(challenge) => Some(self.challenge(challenge)),
            Incoming::CardV1(envelope) if is_card => Some(Ok(Checked::Event(envelope))),
            _ => None,
        }
    }

    /// The key that the request is signed with.
    fn signed_by(&self, request: &Request<'_>, sealed: Option<&str>) -> Result<&Key, Refused> {
        let (signed, signature) = request.signed()?;
        for key in &self.encrypt_keys {
            if let Some(hash) = signed.check(&key.secret, signature) {
                request.guard(hash)?;
                return Ok(key);
            }
        }
        Err(Refused::Signature {
            recipe: self.mistake(&signed, signature, sealed),
        })
    }

    fn mistake(&self, signed: &Signed<'_>, signature: &str, sealed: Option<&str>) -> Option<WrongRecipe> {
        if signed.body.len() > DIAGNOSED_BYTES_MAX {
            return None;
        }
        let none = Secret::default();
        let token = self.tokens.first().unwrap_or(&none);
        self.encrypt_keys.iter().find_map(|key| {
            let opened = sealed.and_then(|sealed| key.opener.open(sealed).ok());
            WrongRecipe::find(signed, &key.secret, token, opened.as_deref(), signature)
        })
    }

    /// The token in an old card callback is there to update the card; its signature alone says whose it is.
    fn card_v1(&self, request: &Request<'_>) -> Result<(), Refused> {
        if self.tokens.is_empty() {
            return Err(Refused::NoToken);
        }
        let (signed, signature) = request.signed()?;
        let hash = self
            .tokens
            .iter()
            .find_map(|token| signed.check_card_v1(token, signature))
            .ok_or(Refused::Signature { recipe: None })?;
        let mut whole = [0; 32];
        whole[..hash.len()].copy_from_slice(&hash);
        request.guard(whole)
    }

    fn challenge(&self, challenge: Challenge) -> Result<Checked, Refused> {
        self.check_token(&challenge.token)?;
        Ok(Checked::Challenge(challenge.challenge))
    }

    fn event(&self, envelope: Envelope) -> Result<Checked, Refused> {
        self.check_token(&envelope.header.token)?;
        Ok(Checked::Event(envelope))
    }

    fn check_token(&self, token: &Secret) -> Result<(), Refused> {
        // Who has no token has a key, and it has fitted.
        if self.tokens.is_empty() || self.tokens.contains(token) {
            return Ok(());
        }
        Err(Refused::Token)
    }
}

fn open(opener: &Opener, sealed: &str) -> Result<Incoming<'static>, Refused> {
    let plain = String::from_utf8(opener.open(sealed)?).map_err(|error| EnvelopeError::Malformed {
        detail: error.utf8_error().to_string(),
    })?;
    Ok(Incoming::read(plain)?)
}

/// A request, and what it is judged by.
struct Request<'a> {
    headers: &'a HeaderMap,
    body: &'a [u8],
    guard: Option<&'a ReplayGuard>,
    now: TimestampMs,
}

impl<'a> Request<'a> {
    /// What was signed, and the signature.
    fn signed(&self) -> Result<(Signed<'a>, &'a str), Refused> {
        let text = |name: &HeaderName, shown| {
            let value = self.headers.get(name).and_then(|value| value.to_str().ok());
            value.ok_or(Refused::Unsigned { header: shown })
        };
        let signature = text(&SIGNATURE, header::SIGNATURE)?;
        let signed = Signed {
            timestamp: text(&TIMESTAMP, header::TIMESTAMP)?,
            nonce: text(&NONCE, header::NONCE)?,
            body: self.body,
        };
        Ok((signed, signature))
    }

    fn guard(&self, hash: [u8; 32]) -> Result<(), Refused> {
        let Some(guard) = self.guard else { return Ok(()) };
        guard.check(hash, self.signed()?.0.timestamp, self.now)
    }
}
