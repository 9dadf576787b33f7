//! A copy of the whole store, made while it runs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio_util::io::ReaderStream;

use crate::problem::{AnyRefusal, Conflicting, Problem};
use crate::server::Server;

/// What is read from the disk at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Answers a copy of the store as of now: a database file that a platform starts from.
///
/// It holds every secret. Publishing and pushing go on meanwhile; the copy needs as much disk beside the store as the
/// store itself until it is sent. One at a time.
#[utoipa::path(post, path = "/api/v1/backup",
    operation_id = "make_backup", tag = "platform",
    responses((status = 200, description = "The file.", body = Vec<u8>, content_type = "application/vnd.sqlite3"),
        Conflicting, AnyRefusal))]
pub(crate) async fn make(State(server): State<Arc<Server>>) -> Result<Response, Problem> {
    let Ok(one) = Arc::clone(&server.backups).try_acquire_owned().map(Arc::new) else {
        let detail = "another backup is being made or sent";
        return Err(Problem::new(StatusCode::CONFLICT, "backup_running", detail).hint("wait until it is done"));
    };
    let file = tokio::fs::File::from_std(server.engine.store().backup().await?);
    let length = file.metadata().await.map_err(|error| Problem::internal(&error))?.len();
    // The place is kept until the file was sent, or nobody wants it any more.
    let stream = ReaderStream::with_capacity(file, CHUNK_BYTES).inspect(move |_| drop(Arc::clone(&one)));
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.sqlite3".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}
