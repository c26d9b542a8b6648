-- outcome_day: outcomes of known units, one row per (metric, unit, day) that has any.
-- Reads: stg_outcomes, unit, part, night. The night's first and last day count.
-- Whether a day without a row means zero or unknown is for outcome_cover to say. A row that spans
-- several days is shared out evenly over them.
select
    stg_outcomes.metric,
    unit.unit_id,
    stg_outcomes.day + part.number as day,
    sum(stg_outcomes.value / night.period_days order by stg_outcomes.value) as value
from stg_outcomes
inner join unit using (line_1, line_2, line_3, line_4)
cross join part
cross join night
where
    stg_outcomes.day + part.number between night.first_day and night.last_day
    and not stg_outcomes.is_repeat
group by stg_outcomes.metric, unit.unit_id, stg_outcomes.day + part.number
order by stg_outcomes.metric, unit.unit_id, stg_outcomes.day + part.number
