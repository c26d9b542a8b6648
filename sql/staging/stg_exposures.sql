-- stg_exposures: exposure rows with types, one row per distinct source row, each cell beside it.
-- Reads: exposures (the snapshot: texts, and in how many source rows they stood). A source without
-- a column of impressions has one impression per row. A cell that cannot be read is null here.
select
    copies,
    has_impressions,
    date as day_cell,
    iso_day(date) as day,
    audience,
    creative,
    holdout in ('true', 'True', '1') as is_holdout,
    case when has_impressions then plain_amount(impressions) else 1 end as impressions,
    coalesce(plain_amount(nullif(clicks, '')), case when clicks = '' then 0 end) as clicks,
    coalesce(plain_amount(nullif(conversions, '')), case when conversions = '' then 0 end)
        as conversions,
    coalesce(plain_amount(nullif(value, '')), case when value = '' then 0 end) as value,
    case when has_impressions then 1 else copies end as times
from exposures
