-- offer_draw: tomorrow's decision for every person, one row each: what is done, and what is logged.
-- Reads: person_action, offer_share, night. The seed and the person's key alone say what is drawn,
-- in whole ten-thousandths, so the same signed plan draws the same for the same person. Somebody
-- whose segment or allowed actions are not in the plan, and the holdout, get nothing.
with

dice as (
    select
        person,
        segment,
        allowed,
        (md5_number_lower(night.seed || ':' || person) % 10000)::integer as dice,
        (md5_number_lower(night.holdout_seed || ':' || person) % 10000)::integer
        < night.holdout_units as is_holdout
    from person_action
    cross join night
)

select
    night.day as date,
    dice.person,
    dice.segment,
    dice.allowed as eligible,
    case
        when dice.is_holdout then night.nothing else coalesce(offer_share.action, night.nothing)
    end
        as action,
    case
        when dice.is_holdout or offer_share.action is null then 1.0
        else offer_share.units / 10000.0
    end as propensity,
    dice.is_holdout as holdout,
    not dice.is_holdout and offer_share.action is null and dice.allowed <> night.nothing
        as not_in_plan
from dice
cross join night
left join offer_share
    on
        (
            dice.segment = offer_share.segment
            or (offer_share.segment = '(other)' and not list_contains(night.segments, dice.segment))
        )
        and dice.allowed = offer_share.allowed
        and dice.dice >= offer_share.low
        and dice.dice < offer_share.low + offer_share.units
order by dice.person
