-- plain_amount(cell): the amount that a text is, or null: a plain number from zero up to what any
-- account holds, which a decimal(18, 4) still does. Money, clicks and outcomes are amounts.
create or replace macro plain_amount(cell) as (
    case when plain_number(cell) between 0 and 1e13 then plain_number(cell) end
);
