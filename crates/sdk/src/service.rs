//! The handlers as a tower service, and the layers around it.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::delivery::Delivery;
use crate::handler::Handling;
use crate::reply::{Answer, BoxError};
use crate::router::Table;

/// The handlers of a router as a tower service: what [`Router::layer`](crate::Router::layer) wraps.
#[derive(Clone)]
pub struct Handlers(Kind);

#[derive(Clone)]
enum Kind {
    /// The handlers themselves.
    Table(Arc<Table>),
    /// A layer around them.
    Layered(Box<dyn Erased>),
}

/// A layer, kept until the handlers are complete.
pub(crate) type Wrap = Arc<dyn Fn(Handlers) -> Handlers + Send + Sync>;

impl Handlers {
    pub(crate) fn new(table: Arc<Table>, layers: &[Wrap]) -> Self {
        layers.iter().fold(Self(Kind::Table(table)), |inner, wrap| wrap(inner))
    }

    /// Handles one event, as soon as the layers are ready for it.
    pub(crate) async fn handle(&self, delivery: Delivery) -> Result<Answer, BoxError> {
        match &self.0 {
            Kind::Table(table) => table.handle(delivery).await,
            Kind::Layered(service) => {
                let mut service = service.clone();
                poll_fn(|cx| service.ready(cx)).await?;
                service.handle(delivery).await
            }
        }
    }
}

pub(crate) fn wrap<L>(layer: L) -> Wrap
where
    L: Layer<Handlers> + Send + Sync + 'static,
    L::Service: Service<Delivery, Response = Answer> + Clone + Send + Sync + 'static,
    <L::Service as Service<Delivery>>::Error: Into<BoxError>,
    <L::Service as Service<Delivery>>::Future: Send + 'static,
{
    Arc::new(move |inner| Handlers(Kind::Layered(Box::new(layer.layer(inner)))))
}

impl Service<Delivery> for Handlers {
    type Response = Answer;
    type Error = BoxError;
    type Future = Handling;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.0 {
            Kind::Table(_) => Poll::Ready(Ok(())),
            Kind::Layered(service) => service.ready(cx),
        }
    }

    fn call(&mut self, delivery: Delivery) -> Handling {
        match &mut self.0 {
            Kind::Table(table) => table.handle(delivery),
            Kind::Layered(service) => service.handle(delivery),
        }
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").finish_non_exhaustive()
    }
}

/// A tower service whose types are forgotten.
trait Erased: Send + Sync {
    fn ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>>;
    fn handle(&mut self, delivery: Delivery) -> Handling;
    fn boxed_clone(&self) -> Box<dyn Erased>;
}

impl<T> Erased for T
where
    T: Service<Delivery, Response = Answer> + Clone + Send + Sync + 'static,
    T::Error: Into<BoxError>,
    T::Future: Send + 'static,
{
    fn ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.poll_ready(cx).map_err(Into::into)
    }

    fn handle(&mut self, delivery: Delivery) -> Handling {
        let handling = self.call(delivery);
        Box::pin(async move { handling.await.map_err(Into::into) })
    }

    fn boxed_clone(&self) -> Box<dyn Erased> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Erased> {
    fn clone(&self) -> Self {
        self.as_ref().boxed_clone()
    }
}
