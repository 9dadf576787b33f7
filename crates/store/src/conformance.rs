//! What every backend is held to: one async function a claim, each given a store with nothing in it.
//!
//! A backend's tests call [`claims!`](crate::conformance_claims) with a way to make a store; it writes one test for
//! each claim. They panic when the claim does not hold.

mod fixture;
mod queue;
mod registry;

pub use queue::*;
pub use registry::*;

/// Writes one `#[tokio::test]` for each claim. The argument is a function that makes an empty store; what else it
/// returns is kept until the test ends.
#[macro_export]
macro_rules! conformance_claims {
    ($make:path) => {
        $crate::conformance_claims! { @each $make;
            accepting_twice_makes_nothing_new
            another_event_under_the_same_id_is_a_conflict_and_fails_no_other
            an_accepted_delivery_is_leased_to_the_one_who_accepted_it
            an_expired_lease_is_due_again_under_a_new_generation
            due_deliveries_are_claimed_once_and_the_longest_due_first
            a_claim_takes_no_more_than_asked_for
            a_delivered_delivery_is_never_due_again
            a_delivery_that_goes_again_is_due_at_its_time
            a_dead_delivery_is_found_by_its_state
            a_settlement_under_an_old_generation_is_logged_and_changes_nothing
            releasing_leases_frees_leased_rows_only
            bindings_of_an_event_are_written_with_it
            the_log_is_read_newest_first_in_pages
            deliveries_are_found_by_event_app_and_state
            apps_are_kept_with_their_secrets
            deleting_an_app_ends_its_pending_deliveries
            bindings_are_replaced_listed_and_removed
            resource_subscriptions_are_kept_once
            tokens_are_kept_by_name
        }
    };
    (@each $make:path; $($claim:ident)+) => {
        $(
            #[tokio::test]
            async fn $claim() {
                let (store, _keep) = $make();
                $crate::conformance::$claim(&store).await;
            }
        )+
    };
}
