-- stg_exposures: exposure rows with types, one row per distinct source row, each cell beside it
-- and where the first of its kind stood.
-- Reads: exposures (the snapshot: texts, and in how many source rows they stood). A source without
-- a column of impressions has one impression per row. A cell that cannot be read is null here.
select
    source_file,
    source_row,
    copies,
    has_impressions,
    date as day_cell,
    iso_day(date) as day,
    audience,
    creative,
    holdout as holdout_cell,
    case
        when lower(holdout) in ('true', '1') then true
        when lower(holdout) in ('', 'false', '0') then false
    end as is_holdout,
    impressions as impressions_cell,
    clicks as clicks_cell,
    conversions as conversions_cell,
    value as value_cell,
    case when has_impressions then plain_amount(impressions) else 1 end as impressions,
    coalesce(plain_amount(nullif(clicks, '')), case when clicks = '' then 0 end) as clicks,
    coalesce(plain_amount(nullif(conversions, '')), case when conversions = '' then 0 end)
        as conversions,
    coalesce(plain_amount(nullif(value, '')), case when value = '' then 0 end) as value,
    case when has_impressions then 1 else copies end as times
from exposures
