//! The models, as tests.

use tower_transport_interleavings::{
    http2, pool,
    rt::{tasks, timers},
};

macro_rules! models {
    ($($module:ident: $($model:ident)*;)*) => { $($(
        #[test]
        fn $model() {
            $module::$model();
        }
    )*)* };
}

models! {
    tasks: a_canceled_task_ends a_task_that_is_canceled_before_it_starts_ends a_task_is_dropped_once
        an_aborted_task_frees_what_is_left_of_it;
    timers: a_wait_ends_when_its_time_has_come a_wait_whose_keeper_is_dropped_goes_on_by_itself
        an_earlier_wait_does_not_wait_for_a_later_one a_wait_that_is_given_up_disturbs_no_other
        a_keeper_ends_with_its_timer;
    http2: the_driver_gets_each_signal no_request_waits_for_a_driver_that_has_ended;
    pool: a_dial_learns_of_each_connection_that_closes a_dial_learns_of_each_connection_that_arrives
        each_dial_that_waits_goes_on;
}
