-- stg_decisions: logged offer decisions with types, one row per source row, and what is wrong.
-- Reads: decisions (texts), withdrawn, rewarded, night. A person is only a bucket afterwards, one
-- of two hundred. A propensity keeps four digits, so that the log can be added up; `fault` is ''
-- where the row counts, and `withdrawn` is no fault of the row.
select
    iso_day(decisions.date) as day,
    decisions.segment,
    decisions.action,
    decisions.eligible,
    decisions.holdout in ('true', 'True', '1') as is_holdout,
    (md5_number_lower(decisions.person) % 200)::integer as bucket,
    round(
        plain_number(decisions.propensity),
        3 - floor(log10(greatest(plain_number(decisions.propensity), 1e-9)))::integer
    ) as propensity,
    case
        when night.has_rewards then coalesce(rewarded.reward, 0)
        when decisions.reward = '' then 0
        else plain_number(decisions.reward)
    end as reward,
    case
        when withdrawn.person is not null then 'withdrawn'
        when iso_day(decisions.date) is null then 'unreadable day'
        when iso_day(decisions.date) > night.today then 'day after today'
        when decisions.person = '' or decisions.segment = '' or decisions.action = ''
            then 'no person, segment or action'
        when coalesce(plain_number(decisions.propensity), 0) not between 1e-9 and 1
            then 'propensity is not a number above 0, at most 1'
        when
            not night.has_rewards and decisions.reward <> ''
            and plain_number(decisions.reward) is null
            then 'unreadable reward'
        when
            decisions.eligible <> ''
            and not list_contains(string_split(decisions.eligible, '|'), decisions.action)
            then 'action was not eligible'
        else ''
    end as fault,
    decisions.date || ' / ' || decisions.segment || ' / ' || decisions.action as example
from decisions
cross join night
left join withdrawn on decisions.person = withdrawn.person
left join rewarded
    on
        decisions.person = rewarded.person
        and iso_day(decisions.date) = rewarded.day
