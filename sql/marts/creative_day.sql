-- creative_day: what was shown and what came of it, one row per day, audience and creative.
-- Reads: stg_exposures, night. Rows of the plan's day or later are left out, and rows with a cell
-- that cannot be read; sql/marts/exposure_fault names those. People held out are in holdout_day.
-- Sums are of decimals, so that the order of rows never shows.
select
    day,
    audience,
    creative,
    sum(impressions::decimal(18, 4) * times)::double as impressions,
    sum(clicks::decimal(18, 4) * times)::double as clicks,
    sum(conversions::decimal(18, 4) * times)::double as conversions,
    sum(value::decimal(18, 4) * times)::double as value
from stg_exposures
cross join night
where
    day between night.first_day and night.last_day
    and not is_holdout
    and not no_name(audience) and not no_name(creative)
    and impressions is not null and clicks is not null
    and conversions is not null and value is not null
group by day, audience, creative
order by day, audience, creative
