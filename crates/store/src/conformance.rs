//! What every backend is held to: one async function a claim, each given a store with nothing in it.
//!
//! A backend's tests call [`claims!`](crate::conformance_claims) with a way to make a store; it writes one test for
//! each claim. They panic when the claim does not hold.

mod fixture;
mod log;
mod queue;
mod registry;

pub use log::*;
pub use queue::*;
pub use registry::*;

/// Writes one `#[tokio::test]` for each claim. The argument is a function that makes an empty store; what else it
/// returns is kept until the test ends.
#[macro_export]
macro_rules! conformance_claims {
    ($make:path) => {
        $crate::conformance_claims! { @each $make;
            accepting_twice_makes_nothing_new
            an_event_that_comes_twice_at_once_is_stored_once
            a_batch_that_cannot_be_stored_leaves_nothing
            another_event_under_the_same_id_is_a_conflict_and_fails_no_other
            an_accepted_delivery_is_leased_to_the_one_who_accepted_it
            an_expired_lease_is_due_again_under_a_new_generation
            due_deliveries_are_claimed_once_and_the_longest_due_first
            two_who_claim_at_once_get_different_deliveries
            deliveries_due_at_once_go_in_the_order_they_were_accepted
            a_claim_takes_no_more_than_asked_for
            a_delivered_delivery_is_never_due_again
            a_delivery_that_goes_again_is_due_at_its_time
            a_dead_delivery_is_found_by_its_state
            a_settlement_under_an_old_generation_is_logged_and_changes_nothing
            a_lease_that_ran_out_can_be_settled_until_another_is_given
            settling_what_does_not_exist_changes_nothing
            a_resent_delivery_is_due_again_and_its_old_lease_is_void
            resending_leaves_alone_what_is_leased
            the_depth_counts_pending_and_dead_deliveries
            releasing_leases_frees_leased_rows_only
            bindings_of_an_event_are_written_with_it
            the_log_is_read_newest_first_in_pages
            events_are_found_by_type_and_tenant
            a_page_has_at_least_one_row_and_at_most_the_limit
            a_cursor_that_no_page_gave_is_refused
            attempts_are_kept_in_order_with_all_that_was_seen
            deliveries_are_found_by_event_app_and_state
            apps_are_kept_with_their_secrets
            deleting_an_app_ends_its_pending_deliveries
            bindings_are_replaced_listed_and_removed
            resource_subscriptions_are_kept_once
            tokens_are_kept_by_name
            two_tokens_never_share_a_digest
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

#[cfg(test)]
mod tests {
    #[test]
    fn every_claim_that_is_written_is_tested_by_the_macro() {
        let listed = include_str!("conformance.rs");
        let written = [
            include_str!("conformance/log.rs"),
            include_str!("conformance/queue.rs"),
            include_str!("conformance/registry.rs"),
        ];
        for source in written {
            let claims = source
                .split("pub async fn ")
                .skip(1)
                .filter_map(|rest| rest.split('(').next());
            for claim in claims {
                assert!(listed.contains(&format!("            {claim}\n")), "{claim}");
            }
        }
    }
}
