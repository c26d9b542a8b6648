-- plain_number(cell): the number that a text is, or null. An optional sign, digits, one point and
-- an exponent; no thousands marks, no spaces, no nan. A number beyond every float is null too.
create or replace macro plain_number(cell) as (
    case
        when
            regexp_full_match(cell, '[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?')
            and isfinite(try_cast(cell as double))
            then try_cast(cell as double)
    end
);
