-- person_action: which actions a person may get on the decided day, one row per person.
-- Reads: stg_customers, stg_touches, offer_action, night. Consent comes first, then the segment's
-- rules, then how often and how lately the person was contacted. Doing nothing is always allowed.
with

contacted as (
    select
        person,
        max(stg_touches.day) as last_day,
        count(*) filter (where stg_touches.day > night.day - 7) as this_week
    from stg_touches
    cross join night
    group by person
),

got as (
    select
        stg_touches.person,
        stg_touches.action,
        max(stg_touches.day) as last_day
    from stg_touches
    group by stg_touches.person, stg_touches.action
)

select
    stg_customers.person,
    stg_customers.segment,
    string_agg(offer_action.action, '|' order by offer_action.place) as allowed,
    bool_or(
        coalesce(contacted.this_week >= night.max_per_week, false)
        or coalesce(night.day - contacted.last_day < night.min_gap_days, false)
    ) as is_resting
from stg_customers
cross join night
cross join offer_action
left join contacted on stg_customers.person = contacted.person
left join got on stg_customers.person = got.person and offer_action.action = got.action
where
    offer_action.is_nothing
    or (
        list_contains(stg_customers.channels, offer_action.channel)
        and (
            len(offer_action.only_in) = 0
            or list_contains(offer_action.only_in, stg_customers.segment)
        )
        and not list_contains(offer_action.not_in, stg_customers.segment)
        and not coalesce(contacted.this_week >= night.max_per_week, false)
        and not coalesce(night.day - contacted.last_day < night.min_gap_days, false)
        and not coalesce(night.day - got.last_day <= offer_action.cool_down_days, false)
    )
group by stg_customers.person, stg_customers.segment
