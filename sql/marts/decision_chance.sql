-- decision_chance: the probabilities with which a file's decisions were drawn, one row per day,
-- segment, eligible actions and action.
-- Reads: decisions (texts), night. Only rows that say what was eligible and whose probability can
-- be one; who was held out was not drawn.
with

drawn as (
    select
        iso_day(decisions.date) as day,
        decisions.segment,
        decisions.eligible,
        decisions.action,
        plain_number(decisions.propensity) as chance
    from decisions
    cross join night
    where
        iso_day(decisions.date) between night.first_day and night.today
        and lower(decisions.holdout) not in ('true', '1')
        and list_contains(string_split(decisions.eligible, '|'), decisions.action)
        and plain_number(decisions.propensity) between 1e-9 and 1
)

select
    day,
    segment,
    eligible,
    action,
    min(chance) as lowest,
    max(chance) as highest,
    count(*) as decisions
from drawn
group by day, segment, eligible, action
