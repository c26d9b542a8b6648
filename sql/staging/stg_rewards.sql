-- stg_rewards: what came of decisions, one row per source row, and what is wrong with it.
-- Reads: rewards (texts, and where each row stands), night. `place` is where a fault stands, null
-- of rows that count. What is told of a fault never names the person.
with

judged as (
    select
        rewards.*,
        iso_day(rewards.date) as day,
        case
            when iso_day(rewards.date) is null then 'unreadable-day'
            when iso_day(rewards.date) > night.today then 'future-day'
            when rewards.person = '' then 'no-person'
            when rewards.reward <> '' and plain_number(rewards.reward) is null
                then 'unreadable-reward'
            when rewards.reward <> '' and plain_amount(ltrim(rewards.reward, '+-')) is null
                then 'unbelievable-reward'
            else ''
        end as fault
    from rewards
    cross join night
)

select
    person,
    day,
    fault,
    case when fault = '' then coalesce(plain_number(reward), 0) else 0 end as reward,
    case
        when fault <> ''
            then {
                'file': source_file,
                'row': source_row,
                'column': case
                    when fault in ('unreadable-day', 'future-day') then 'date'
                    when fault = 'no-person' then 'person'
                    else 'reward'
                end,
                'cell': case
                    when fault in ('unreadable-day', 'future-day') then date
                    when fault = 'no-person' then ''
                    else reward
                end,
                'problem': case
                    when fault = 'future-day' then 'has not come yet'
                    when fault = 'unreadable-day' and date <> '' then 'is not an ISO day'
                    when fault = 'unreadable-reward' then 'is not a plain number'
                    when fault = 'unbelievable-reward' then 'is beyond any account'
                    else 'is empty'
                end
            }
    end as place
from judged
