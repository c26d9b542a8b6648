-- outcome_cover: the days that the outcomes speak of, one row per day with any outcome row.
-- Reads: stg_outcomes, part, night. The night's first and last day count.
-- On such a day a unit without a row had no outcome; on any other day nothing is known.
select distinct stg_outcomes.day + part.number as day
from stg_outcomes
cross join part
cross join night
where stg_outcomes.day + part.number between night.first_day and night.last_day
order by day
