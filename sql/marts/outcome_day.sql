-- outcome_day: outcomes of known lines, one row per (metric, line, day) that has any.
-- Reads: stg_outcomes, line, night. The night's first and last day count.
-- Whether a day without a row means zero or unknown is for outcome_cover to say.
select
    stg_outcomes.metric,
    line.line_id,
    stg_outcomes.day,
    sum(stg_outcomes.value order by stg_outcomes.value) as value
from stg_outcomes
inner join line using (line_1, line_2, line_3, line_4)
cross join night
where stg_outcomes.day between night.first_day and night.last_day and not stg_outcomes.is_repeat
group by stg_outcomes.metric, line.line_id, stg_outcomes.day
order by stg_outcomes.metric, line.line_id, stg_outcomes.day
