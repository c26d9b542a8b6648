-- decision_cell: the decision log added up: all that learning needs, and no person in it.
-- Reads: stg_decisions, night. One row per fault, segment, eligible actions, action, propensity,
-- bucket of people, holdout, and whether the plan in force was decided then. Rows outside the
-- window, or too young for their reward to be complete, have the fault 'outside'. `first_place` is
-- where a fault stands first; `largest` is the reward that is farthest from 0, and where it stands.
with

told as (
    select
        * replace (
            case
                when fault = '' and day not between night.first_day and night.last_mature
                    then 'outside'
                else fault
            end as fault
        ),
        day >= night.in_force_from as is_current
    from stg_decisions
    cross join night
)

select
    fault,
    case when fault = '' then segment else '' end as segment,
    case when fault = '' then eligible else '' end as eligible,
    case when fault = '' then action else '' end as action,
    case when fault = '' then propensity else 0 end as propensity,
    case when fault = '' then bucket else 0 end as bucket,
    fault = '' and is_holdout as is_holdout,
    fault = '' and coalesce(is_current, false) as is_current,
    count(*) as decisions,
    sum(case when fault = '' then reward else 0 end) as reward,
    sum(case when fault = '' then reward * reward else 0 end) as reward_sq,
    count(*) filter (where fault = '' and reward <> 0) as rewarded,
    max({
        'size': abs(reward),
        'file': source_file,
        'row': source_row
    }) filter (where fault = '') as largest,
    max(day) filter (where fault in ('', 'outside')) as newest_day,
    min({
        'file': source_file,
        'row': source_row,
        'column': fault_column,
        'cell': cell,
        'problem': problem
    }) filter (where fault not in ('', 'outside', 'withdrawn')) as first_place
from told
group by all
