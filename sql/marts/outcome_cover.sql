-- outcome_cover: the days that the outcomes speak of, one row per day with any outcome row.
-- Reads: stg_outcomes, night. The night's first and last day count.
-- On such a day a line without a row had no outcome; on any other day nothing is known.
select distinct day
from stg_outcomes
cross join night
where stg_outcomes.day between night.first_day and night.last_day
order by day
