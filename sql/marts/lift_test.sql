-- lift_test: every readable lift test, one row per (test, treated line), tests in source order.
-- Reads: stg_experiments, line, night. A level that a test leaves empty means every value of it.
-- What is no evidence is left out and named by sql/checks: unknown lines, windows outside the days.
select
    stg_experiments.file,
    stg_experiments.row,
    stg_experiments.name,
    stg_experiments.metric,
    line.line_id,
    stg_experiments.first_day,
    stg_experiments.last_day,
    stg_experiments.lift,
    stg_experiments.standard_error,
    stg_experiments.spend_change,
    stg_experiments.is_all_spend
from stg_experiments
inner join line
    on
        (stg_experiments.line_1 = '' or stg_experiments.line_1 = line.line_1)
        and (stg_experiments.line_2 = '' or stg_experiments.line_2 = line.line_2)
        and (stg_experiments.line_3 = '' or stg_experiments.line_3 = line.line_3)
        and (stg_experiments.line_4 = '' or stg_experiments.line_4 = line.line_4)
cross join night
where
    stg_experiments.first_day between night.first_day and stg_experiments.last_day
    and stg_experiments.last_day <= night.last_day
    and stg_experiments.standard_error > 0
    and stg_experiments.lift is not null
    and (stg_experiments.spend_change <> 0 or stg_experiments.is_all_spend)
order by stg_experiments.file, stg_experiments.row, line.line_id
