-- exposure_fault: what is wrong with exposure rows: per kind of fault and column its first row.
-- Reads: stg_exposures, night. Level is fail where the rows cannot be left out without a bias.
with

broken as (
    select *
    from stg_exposures
    where impressions is null or clicks is null or conversions is null or value is null
),

numbers as (
    select
        source_file,
        source_row,
        copies,
        unnest([
            {'name': 'impressions', 'cell': impressions_cell, 'is_read': impressions is not null},
            {'name': 'clicks', 'cell': clicks_cell, 'is_read': clicks is not null},
            {'name': 'conversions', 'cell': conversions_cell, 'is_read': conversions is not null},
            {'name': 'value', 'cell': value_cell, 'is_read': value is not null}
        ]) as item
    from broken
),

whole as (
    select
        sum(impressions) as all_impressions,
        count(*) as all_rows
    from stg_exposures
),

faults as (
    select
        'unreadable-day' as fault,
        'fail' as level,
        copies,
        source_file,
        source_row,
        'date' as "column",
        day_cell as cell,
        case when day_cell = '' then 'is empty' else 'is not an ISO day' end as problem
    from stg_exposures
    where day is null
    union all
    select
        'unreadable-number' as fault,
        'fail' as level,
        copies,
        source_file,
        source_row,
        item.name as "column",
        item.cell,
        case
            when item.cell = '' then 'is empty'
            when plain_number(item.cell) is null then 'is not a plain number'
            when plain_number(item.cell) < 0 then 'is negative'
            else 'is beyond any count'
        end as problem
    from numbers
    where not item.is_read
    union all
    select
        'no-name' as fault,
        'fail' as level,
        copies,
        source_file,
        source_row,
        case when no_name(audience) then 'audience' else 'creative' end as "column",
        case when no_name(audience) then audience else creative end as cell,
        'is no name' as problem
    from stg_exposures
    where no_name(audience) or no_name(creative)
    union all
    select
        'unreadable-holdout' as fault,
        'fail' as level,
        copies,
        source_file,
        source_row,
        'holdout' as "column",
        holdout_cell as cell,
        'is neither true nor false' as problem
    from stg_exposures
    where is_holdout is null
    union all
    select
        'future-day' as fault,
        'fail' as level,
        copies,
        source_file,
        source_row,
        'date' as "column",
        day_cell as cell,
        'has not come yet' as problem
    from stg_exposures
    cross join night
    where day > night.today
    union all
    select
        'clicks-above-impressions' as fault,
        'review' as level,
        copies,
        source_file,
        source_row,
        'clicks' as "column",
        clicks_cell as cell,
        'is above the '
        || case when has_impressions then impressions_cell else '1' end || ' impressions' as problem
    from stg_exposures
    where clicks > impressions
    union all
    select
        'repeated-row' as fault,
        'review' as level,
        copies - 1 as copies,
        source_file,
        source_row,
        '' as "column",
        audience || ' / ' || creative as cell,
        'stands there again, cell for cell; counted once' as problem
    from stg_exposures
    where has_impressions and copies > 1
    union all
    select
        'one-row' as fault,
        'review' as level,
        copies,
        source_file,
        source_row,
        'impressions' as "column",
        impressions_cell as cell,
        'is more than all other rows together' as problem
    from stg_exposures
    cross join whole
    where has_impressions and impressions > 0.5 * all_impressions and all_rows >= 50
)

select
    fault,
    level,
    sum(copies)::bigint as source_rows,
    arg_min(source_file, {'file': source_file, 'row': source_row}) as source_file,
    arg_min(source_row, {'file': source_file, 'row': source_row}) as source_row,
    "column",
    arg_min(cell, {'file': source_file, 'row': source_row}) as cell,
    arg_min(problem, {'file': source_file, 'row': source_row}) as problem
from faults
group by fault, level, "column"
order by level, fault, "column"
