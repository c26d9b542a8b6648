-- decision_chance: the probabilities with which a file's decisions were drawn, one row per day,
-- segment, eligible actions and action.
-- Reads: decisions (texts), night. Only rows that say what was eligible and whose probability can
-- be one; who was held out was not drawn. Rows are added up as they stand before their texts are
-- read: a file has few different days and lists of actions, and may have many rows.
with

chances as (
    select
        date,
        segment,
        eligible,
        action,
        holdout,
        plain_number(propensity) as chance
    from decisions
),

drawn as (
    select
        date,
        segment,
        eligible,
        action,
        holdout,
        min(chance) as lowest,
        max(chance) as highest,
        count(*) as decisions
    from chances
    where chance between 1e-9 and 1
    group by date, segment, eligible, action, holdout
)

select
    iso_day(drawn.date) as day,
    drawn.segment,
    drawn.eligible,
    drawn.action,
    min(drawn.lowest) as lowest,
    max(drawn.highest) as highest,
    sum(drawn.decisions)::bigint as decisions
from drawn
cross join night
where
    iso_day(drawn.date) between night.first_day and night.today
    and lower(drawn.holdout) not in ('true', '1')
    and list_contains(string_split(drawn.eligible, '|'), drawn.action)
group by iso_day(drawn.date), drawn.segment, drawn.eligible, drawn.action
