//! Who an event is for, as the store knows it now.

use std::collections::HashMap;

use larkspur_platform::{Audience, Publication, PublishError, bound_by, resolve};
use larkspur_store::{BindingKey, StoreError};
use larkspur_wire::AppId;

use crate::engine::Engine;

impl Engine {
    /// Decides who the event is for; what earlier events of its batch bind counts already.
    pub(super) async fn audience(
        &self,
        publication: &Publication<'_>,
        bound_here: &HashMap<BindingKey, AppId>,
    ) -> Result<Result<Audience, PublishError>, StoreError> {
        let unknown = |app_id: &&AppId| self.apps().get(app_id).is_none();
        if let Some(app_id) = publication.app_id.as_ref().filter(unknown) {
            return Ok(Err(PublishError::UnknownApp { app_id: app_id.clone() }));
        }
        let mut bound = Vec::new();
        for key in bound_by(publication) {
            let app_id = match bound_here.get(&key) {
                Some(app_id) => Some(app_id.clone()),
                None => self.store().binding(&key).await?,
            };
            bound.extend(app_id.map(|app_id| (key, app_id)));
        }
        Ok(resolve(publication, &bound))
    }
}
