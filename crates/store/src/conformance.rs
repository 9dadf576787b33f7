//! What every backend is held to: one async function a claim, each given a store with nothing in it.
//!
//! A backend's tests call [`claims!`](crate::conformance_claims) with a way to make a store; it writes one test for
//! each claim. They panic when the claim does not hold.

mod accept;
mod claim;
mod feed;
mod fixture;
mod log;
mod queue;
mod registry;
mod retention;
mod upkeep;

pub use accept::*;
pub use claim::*;
pub use feed::*;
pub use log::*;
pub use queue::*;
pub use registry::*;
pub use retention::*;
pub use upkeep::*;

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
            what_became_of_a_known_event_is_told_without_storing_an_unknown_one
            an_accepted_delivery_is_leased_to_the_one_who_accepted_it
            an_expired_lease_is_due_again_under_a_new_generation
            due_deliveries_are_claimed_once_and_the_longest_due_first
            each_app_is_claimed_for_by_itself
            a_delivery_that_starts_due_is_claimed_at_once
            deliveries_in_order_go_one_after_the_other
            a_delivery_that_waits_has_no_due_time
            the_backlog_is_known_app_by_app
            two_who_claim_at_once_get_different_deliveries
            deliveries_due_at_once_go_in_the_order_they_were_accepted
            a_claim_takes_no_more_than_asked_for
            a_claim_takes_no_more_than_memory_allows
            a_delivered_delivery_is_never_due_again
            a_delivery_that_goes_again_is_due_at_its_time
            a_dead_delivery_is_found_by_its_state
            a_settlement_under_an_old_generation_is_logged_and_changes_nothing
            a_lease_that_ran_out_can_be_settled_until_another_is_given
            settling_what_does_not_exist_changes_nothing
            a_resent_delivery_is_due_again_and_its_old_lease_is_void
            resending_leaves_alone_what_is_leased
            what_is_resent_keeps_its_order
            resending_what_is_undelivered_leaves_alone_what_is_delivered
            the_depth_counts_pending_and_dead_deliveries
            releasing_leases_frees_leased_rows_only
            bindings_of_an_event_are_written_with_it
            the_log_is_read_newest_first_in_pages
            events_are_found_by_type_tenant_id_and_time
            events_are_found_by_app_and_by_what_became_of_them
            events_accepted_by_a_clock_that_was_set_back_are_found_by_their_time
            a_page_has_at_least_one_row_and_at_most_the_limit
            a_cursor_that_no_page_gave_is_refused
            attempts_are_kept_in_order_with_all_that_was_seen
            deliveries_are_found_by_event_app_and_state
            deliveries_are_found_by_type_tenant_and_time_in_both_orders
            a_delivery_is_found_by_its_id
            attempts_are_followed_from_a_time_or_from_now_on
            followed_attempts_are_found_by_app_and_type
            what_is_old_and_settled_goes_with_deliveries_and_attempts
            what_is_pending_never_goes
            what_is_dead_goes_by_age_and_never_by_size
            what_fits_stays_whatever_the_size
            a_step_deletes_a_bounded_number_of_rows_and_says_where_to_go_on
            the_id_of_an_event_that_is_gone_can_be_used_again
            apps_are_kept_with_their_secrets
            deleting_an_app_ends_its_pending_deliveries
            bindings_are_replaced_listed_and_removed
            resource_subscriptions_are_kept_once
            tokens_are_kept_by_name
            two_tokens_never_share_a_digest
            a_probe_is_a_commit_and_commits_are_measured
            a_backup_is_a_file_to_be_read_from_its_start
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
            include_str!("conformance/claim.rs"),
            include_str!("conformance/feed.rs"),
            include_str!("conformance/log.rs"),
            include_str!("conformance/queue.rs"),
            include_str!("conformance/registry.rs"),
            include_str!("conformance/retention.rs"),
            include_str!("conformance/upkeep.rs"),
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
