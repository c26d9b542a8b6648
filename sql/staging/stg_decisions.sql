-- stg_decisions: logged offer decisions with types, one row per source row, and what is wrong.
-- Reads: decisions (texts, and where each row stands), withdrawn, rewarded, decided_twice,
-- odd_chance, night. Consent that is not plainly true is none. A person is only
-- a bucket afterwards, one of two hundred. A propensity keeps four digits, so that the log can be
-- added up; `fault` is '' where the row counts, and `withdrawn` is no fault of the row. What is
-- told of a fault never names the person.
with

judged as (
    select
        decisions.*,
        iso_day(decisions.date) as day,
        plain_number(decisions.propensity) as chance,
        night.today,
        case
            when night.has_rewards then coalesce(rewarded.reward, 0)
            when decisions.reward = '' then 0
            else plain_number(decisions.reward)
        end as earned,
        odd_chance.total as chances,
        case
            when
                night.has_consent
                and lower(trim(decisions.consent)) not in ('true', '1', 'false', '0')
                then 'unreadable-consent'
            when withdrawn.person is not null then 'withdrawn'
            when iso_day(decisions.date) is null then 'unreadable-day'
            when iso_day(decisions.date) > night.today then 'future-day'
            when decisions.person = '' or no_name(decisions.segment) or decisions.action = ''
                then 'no-name'
            when coalesce(plain_number(decisions.propensity), 0) not between 1e-9 and 1
                then 'impossible-propensity'
            when lower(decisions.holdout) not in ('', 'true', '1', 'false', '0')
                then 'unreadable-holdout'
            when
                not night.has_rewards and decisions.reward <> ''
                and plain_number(decisions.reward) is null
                then 'unreadable-reward'
            when
                not night.has_rewards and decisions.reward <> ''
                and plain_amount(ltrim(decisions.reward, '+-')) is null
                then 'unbelievable-reward'
            when
                decisions.eligible <> ''
                and not list_contains(string_split(decisions.eligible, '|'), decisions.action)
                then 'action-not-eligible'
            when decided_twice.key is not null then 'decided-twice'
            when odd_chance.total is not null and lower(decisions.holdout) not in ('true', '1')
                then 'odd-chances'
            else ''
        end as fault
    from decisions
    cross join night
    left join withdrawn on decisions.person = withdrawn.person
    left join rewarded
        on
            decisions.person = rewarded.person
            and iso_day(decisions.date) = rewarded.day
    left join decided_twice
        on hash(decisions.person, iso_day(decisions.date)) = decided_twice.key
    left join odd_chance
        on
            iso_day(decisions.date) = odd_chance.day
            and decisions.segment = odd_chance.segment
            and decisions.eligible = odd_chance.eligible
)

select
    source_file,
    source_row,
    day,
    segment,
    action,
    eligible,
    lower(holdout) in ('true', '1') as is_holdout,
    (md5_number_lower(person) % 200)::integer as bucket,
    round(chance, 3 - floor(log10(greatest(chance, 1e-9)))::integer) as propensity,
    earned as reward,
    fault,
    case
        when fault in ('unreadable-day', 'future-day') then 'date'
        when fault = 'unreadable-consent' then 'consent'
        when fault = 'decided-twice' or (fault = 'no-name' and person = '') then 'person'
        when fault = 'no-name' and no_name(segment) then 'segment'
        when fault = 'unreadable-holdout' then 'holdout'
        when fault in ('no-name', 'action-not-eligible') then 'action'
        when fault in ('impossible-propensity', 'odd-chances') then 'propensity'
        when fault in ('unreadable-reward', 'unbelievable-reward') then 'reward'
        else ''
    end as fault_column,
    case
        when fault in ('unreadable-day', 'future-day') then date
        when fault = 'action-not-eligible' then action
        when fault = 'unreadable-holdout' then holdout
        when fault = 'no-name' and person <> '' and no_name(segment) then segment
        when fault in ('impossible-propensity', 'odd-chances') then propensity
        when fault = 'unreadable-consent' then consent
        when fault in ('unreadable-reward', 'unbelievable-reward') then reward
        else ''
    end as cell,
    case
        when fault = 'unreadable-day' and date <> '' then 'is not an ISO day'
        when fault = 'future-day' then 'has not come yet'
        when fault = 'action-not-eligible' then 'is not among the eligible ' || eligible
        when fault = 'impossible-propensity' and propensity <> ''
            then 'is not a probability: a number above 0, at most 1'
        when fault = 'unreadable-reward' then 'is not a plain number'
        when fault = 'unbelievable-reward' then 'is beyond any account'
        when fault = 'unreadable-consent' and consent <> ''
            then 'is neither true nor false, so it is no consent'
        when fault = 'unreadable-consent' then 'is empty, so it is no consent'
        when fault = 'decided-twice' then 'is decided for more than once on this day'
        when fault = 'odd-chances'
            then
                'is one of probabilities that add up to ' || round(chances, 3)
                || ' over the actions of this day, segment and eligible'
        when fault = 'unreadable-holdout' then 'is neither true nor false'
        when fault = 'no-name' and person <> '' and segment <> '' and no_name(segment)
            then 'is no name'
        when fault not in ('', 'withdrawn') then 'is empty'
        else ''
    end as problem
from judged
