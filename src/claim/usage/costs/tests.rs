//! What is read of Azure's exports, what is refused, and that the document is read again.

use std::io::Cursor;
use std::sync::LazyLock;

use chrono_tz::Tz;
use proptest::prelude::*;

use super::super::super::{Beside, read_usage};
use super::*;
use crate::problem::fields::Reading;

static SERVICES: LazyLock<Services> = LazyLock::new(Services::shipped);

const MONTHLY: Calendar = Calendar { day: 1, zone: Tz::UTC };

fn read_by(text: &str, calendar: Calendar) -> Result<Costs, Vec<Problem>> {
    read_costs(text.as_bytes(), "costs.csv", calendar, &SERVICES)
}

fn read(text: &str) -> Costs {
    read_by(text, MONTHLY).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The entries of the document, without the remarks before them.
fn document(costs: &Costs) -> String {
    let lines = costs.yaml();
    let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with('#')).collect();
    lines.join("\n")
}

/// The document, read as any other `usage:`; it must be good.
fn usages(yaml: &str) -> Vec<super::super::Usage> {
    let reading = Reading::new("usage.yaml", yaml);
    let beside = Beside {
        customer: "contoso",
        services: &SERVICES,
        knows_provider: &|_| Ok(()),
    };
    let (usages, _) = read_usage(&reading, &beside);
    let problems = reading.take_problems();
    assert!(problems.is_empty(), "{problems:#?}\n{yaml}");
    usages
}

/// Rows of `Date, ResourceId, MeterCategory, ResourceLocation, CostInBillingCurrency, BillingCurrency`.
fn rows(rows: &[&str]) -> String {
    format!(
        "Date,ResourceId,MeterCategory,ResourceLocation,CostInBillingCurrency,BillingCurrency\n{}\n",
        rows.join("\n")
    )
}

const VM: &str = "/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/resourceGroups/shop/providers/Microsoft.Compute/virtualMachines/shop-1";

#[test]
fn each_of_azures_schemas_says_the_same() {
    let expected = format!(
        "usage:\n  - {{ provider: azure, service: \"Virtual Machines\", region: \"East US\", subscription: \
         \"11111111-aaaa-4bbb-8ccc-111111111111\",\n      resource: \"{VM}\",\n      fees: {{ 2026-11: \"100.05\" }}, currency: EUR }}"
    );
    let id = "11111111-aaaa-4bbb-8ccc-111111111111";
    let exports = [
        (
            "Enterprise Agreement",
            format!(
                "InvoiceSectionName,SubscriptionId,ResourceLocation,Date,MeterCategory,CostInBillingCurrency,ConsumedService,ResourceId,\
                 Tags,BillingCurrencyCode,BillingPeriodStartDate\n\
                 Shop,{id},EastUS,11/24/2026,Virtual Machines,60.00,Microsoft.Compute,{VM},\"\"\"a\"\": \"\"b,c\"\"\",EUR,11/01/2026\n\
                 Shop,{id},EastUS,11/25/2026,Virtual Machines,40.05,Microsoft.Compute,{VM},,EUR,11/01/2026\n"
            ),
        ),
        (
            "Microsoft Customer Agreement, with a mark of the byte order and a period still open",
            format!(
                "\u{feff}\"invoiceId\",\"billingPeriodStartDate\",\"date\",\"consumedService\",\"meterCategory\",\"SubscriptionId\",\
                 \"ResourceId\",\"resourceLocation\",\"location\",\"billingCurrency\",\"costInBillingCurrency\",\"costInUsd\"\n\
                 ,,11/24/2026,Microsoft.Compute,Virtual Machines,{id},{VM},,US East,EUR,100.05,108.00\n"
            ),
        ),
        (
            "pay as you go",
            format!(
                "SubscriptionGuid,ResourceLocation,UsageDateTime,MeterCategory,PreTaxCost,ConsumedService,InstanceId,Currency\n\
                 {id},eastus,2026-11-24,Virtual Machines,100.05,Microsoft.Compute,{VM},EUR\n"
            ),
        ),
        (
            "FOCUS",
            format!(
                "BilledCost,BillingCurrency,BillingPeriodStart,RegionName,ResourceId,ServiceName,SubAccountId\n\
                 100.05,EUR,2026-11-01T00:00:00Z,East US,{VM},Virtual Machines,/subscriptions/{id}\n"
            ),
        ),
        (
            "names in another case, with spaces, in another order",
            format!(
                "COST IN BILLING CURRENCY,billing currency,date,resource id,meter category,resource location\n\
                 100.05,eur,2026-11-24,{VM},Virtual Machines,East US\n"
            ),
        ),
    ];
    for (name, text) in exports {
        assert_eq!(document(&read(&text)), expected, "{name}");
    }
}

#[test]
fn amounts_are_added_up_exactly_by_resource_service_and_month() {
    // 0.1 and 0.2 are 0.3; 1.2E-05 is 0.000012; 31 October is another month.
    let other = VM.replace("shop-1", "SHOP-1/");
    let costs = read(&rows(&[
        &format!("2026-11-01,{VM},Virtual Machines,East US,0.1,EUR"),
        &format!("11/30/2026,{other},Virtual Machines,East US,0.2,EUR"),
        &format!("11/30/2026,{VM},Virtual Machines,East US,1.2E-05,EUR"),
        &format!("2026-10-31,{VM},Virtual Machines,East US,1000000,EUR"),
        &format!("2026-11-01,{VM},Bandwidth,East US,0.00000000004,EUR"),
        &format!("2026-11-01,{VM},Bandwidth,East US,0.00000000001,EUR"),
    ]));
    assert_eq!((costs.rows, costs.resources()), (6, 2));
    let fees: Vec<String> = document(&costs)
        .lines()
        .filter(|line| line.contains("fees"))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        fees,
        [
            "      fees: { 2026-11: \"0.0000000001\" }, currency: EUR }",
            "      fees: { 2026-10: \"1000000.00\", 2026-11: \"0.300012\" }, currency: EUR }",
        ],
        "added first and rounded then: 0.00000000005 is half of the tenth digit, up"
    );
    assert_eq!(usages(&costs.yaml()).len(), 2);
}

#[test]
fn refunds_are_taken_off_and_counted() {
    let costs = read(&rows(&[
        &format!("2026-11-01,{VM},Virtual Machines,East US,100,EUR"),
        &format!("2026-11-02,{VM},Virtual Machines,East US,-12.50,EUR"),
        &format!("2026-12-02,{VM},Virtual Machines,East US,-1,EUR"),
    ]));
    assert!(
        document(&costs).contains("{ 2026-11: \"87.50\", 2026-12: \"0.00\" }"),
        "{}",
        document(&costs)
    );
    assert_eq!(costs.months_refunded, 1);
    let refunds = costs.refunds["EUR"];
    assert_eq!((refunds.rows, refunds.amount), (2, Decimal::new(-1350, 2)));
    usages(&costs.yaml());
}

#[test]
fn rows_without_a_resource_are_passed_over_with_their_sum() {
    let costs = read(&rows(&[
        "2026-11-01,,Azure Support,Unassigned,29,EUR",
        "2026-11-01,Not applicable,Azure Support,,1.5,EUR",
        "2026-11-01,null,,,7,USD",
        &format!("2026-11-01,{VM},Virtual Machines,East US,100,EUR"),
    ]));
    let passed_over: Vec<String> = costs
        .passed_over
        .iter()
        .map(|((sort, code), sum)| format!("{sort}: {} rows, {} {code}", sum.rows, sum.amount))
        .collect();
    assert_eq!(
        passed_over,
        ["Azure Support: 2 rows, 30.5 EUR", "not named: 1 rows, 7 USD"]
    );
    assert_eq!(costs.sums(), BTreeMap::from([("EUR", Decimal::from(100))]));
    let many: Vec<String> = (0..50).map(|nth| format!("2026-11-01,,Sort {nth:02},,1,EUR")).collect();
    let many = read(&rows(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(many.passed_over.len(), SORTS_MOST + 1);
    assert_eq!(many.passed_over[&("others".to_owned(), "EUR")].rows, 30);
    assert_eq!(document(&many), "usage: []");
}

#[test]
fn a_month_is_named_by_the_calendar_month_in_which_it_begins() {
    let fifteenth = Calendar {
        day: 15,
        zone: Tz::Europe__Berlin,
    };
    let text = rows(&[
        &format!("2026-11-14,{VM},Virtual Machines,East US,1,EUR"),
        &format!("2026-11-15,{VM},Virtual Machines,East US,2,EUR"),
    ]);
    let costs = read_by(&text, fifteenth).expect("costs");
    assert!(
        document(&costs).contains(
            "{ 2026-10: \"1.00\", 2026-11: \"2.00\" }, currency: EUR, billing day: 15, zone: Europe/Berlin }"
        ),
        "{}",
        document(&costs)
    );
    assert_eq!(usages(&costs.yaml())[0].calendar, fifteenth);
    let period = text
        .replace("Date,", "BillingPeriodStartDate,")
        .replace("2026-11-14", "2026-10-15");
    assert_eq!(document(&read_by(&period, fifteenth).expect("costs")), document(&costs));
    let last = Calendar { day: 31, ..MONTHLY };
    let february =
        rows(&[&format!("2026-02-28,{VM},Virtual Machines,East US,1,EUR")]).replace("Date,", "BillingPeriodStartDate,");
    assert!(document(&read_by(&february, last).expect("costs")).contains("2026-02"));
}

#[test]
fn services_and_regions_are_those_that_incidents_name() {
    let endpoint = VM.replace(
        "Microsoft.Compute/virtualMachines",
        "Microsoft.Network/privateEndpoints",
    );
    let costs = read(&rows(&[
        &format!("2026-11-01,{endpoint},Virtual Network,US East 2,1,EUR"),
        &format!("2026-11-01,{VM},Virtual Machines,East US,1,EUR"),
        &format!("2026-11-01,{VM},Virtual Machines,West Europe,1,EUR"),
        &format!("2026-11-01,{VM}-x,Virtual Machines,Mars North,1,EUR"),
    ]));
    let usages = usages(&costs.yaml());
    let shown: Vec<_> = usages
        .iter()
        .map(|usage| (usage.service.as_str(), usage.region.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            ("Virtual Machines", None),
            ("Virtual Machines", Some("Mars North")),
            ("Private Endpoint", Some("East US 2")),
        ]
    );
    assert_eq!(costs.regions_unclear, 1);
}

#[test]
fn what_cannot_be_read_is_told_with_line_column_and_what_to_do() {
    let row = |row: &str| rows(&[&row.replace("VM", VM)]);
    let good = "2026-11-01,VM,Virtual Machines,East US,1,EUR";
    let cases = [
        row(&good.replace("2026-11-01", "24.11.2026")),
        row(&good.replace("2026-11-01", "24/11/2026")),
        row(&good.replace("2026-11-01", "")),
        row(&good.replace(",1,", ",,")),
        row(&good.replace(",1,", ",\"1,5\",")),
        row(&good.replace(",1,", ",1_000,")),
        row(&good.replace(",1,", ",1000000000000,")),
        row(&good.replace("EUR", "EURO")),
        row(&good.replace("Virtual Machines", "")),
        row(&good.replace("VM", "/subscriptions/11111111-aaaa-4bbb-8ccc-11111111111/x/y")),
        row(&good.replace("VM", "a\u{7f}b")),
        row("2026-11-01,VM"),
        rows(&[
            &good.replace("VM", VM),
            "2026-11-02,,Azure Support,,1,USD",
            &good.replace("VM", &VM.to_uppercase()).replace("EUR", "USD"),
        ]),
        row(good)
            .replace("Date,", "BillingPeriodStartDate,")
            .replace("2026-11-01", "2026-11-15"),
        row(good).replace("CostInBillingCurrency", "Price"),
        row(good).replace("Date,", "When,"),
        row(good).replace(',', ";"),
        String::new(),
    ];
    let told = |text: &String| -> String {
        let problems = read_by(text, MONTHLY).expect_err(text);
        problems.iter().map(|problem| format!("{problem}\n")).collect()
    };
    let all: String = cases.iter().map(told).collect();
    insta::assert_snapshot!(all, @r#"
    costs.csv:2:1: Date: `24.11.2026` is no date (hint: a date is written `2026-11-24`, or month first as Azure does: `11/24/2026`)
    costs.csv:2:1: Date: `24/11/2026` is no date (hint: a date is written `2026-11-24`, or month first as Azure does: `11/24/2026`)
    costs.csv:2:1: this row has no date (hint: fill in Date or BillingPeriodStartDate)
    costs.csv:2:160: CostInBillingCurrency: `` is no amount (hint: export the file again; if a spreadsheet saved it, with a point before the cents and no separators of thousands)
    costs.csv:2:160: CostInBillingCurrency: `1,5` is no amount (hint: export the file again; if a spreadsheet saved it, with a point before the cents and no separators of thousands)
    costs.csv:2:160: CostInBillingCurrency: `1_000` is no amount (hint: export the file again; if a spreadsheet saved it, with a point before the cents and no separators of thousands)
    costs.csv:2:160: CostInBillingCurrency: `1000000000000` is too large for an amount: at most 12 digits before the point (hint: export the file again; if a spreadsheet saved it, with a point before the cents and no separators of thousands)
    costs.csv:2:162: BillingCurrency: `EURO` is no currency (hint: three letters of ISO 4217, such as EUR)
    costs.csv:2:1: no column says which service this row is for (hint: fill in MeterCategory or ConsumedService)
    costs.csv:2:12: ResourceId: `11111111-aaaa-4bbb-8ccc-11111111111` is nearly the id of a subscription, and matches none: part 5 has 11 digits, not 12 (hint: an id has 8-4-4-4-12 digits: 0 to 9 and a to f)
    costs.csv:2:12: ResourceId: this text has a character that cannot be seen (hint: take it out: names have none)
    costs.csv:2:1: this row has 2 columns, and the first line names 6 (hint: the file may be cut: export it again)
    costs.csv:4:162: BillingCurrency: `/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/resourceGroups/shop/providers/Microsoft.Compute/virtualMachines/shop-1` is charged in two currencies: USD here, EUR on line 2 (hint: a claim is in one currency: convert the rows of one of them, or leave them out, and import the file again)
    costs.csv:2:1: BillingPeriodStartDate: the billing period begins on 2026-11-15, and not on day 1 of its month (hint: `--billing-day 15`; import accounts that are billed on other days by themselves)
    costs.csv:1:1: the first line names no column CostInBillingCurrency (or Cost, PreTaxCost, BilledCost) (hint: export "cost and usage details" as CSV; the names of the columns are its first line)
    costs.csv:1:1: the first line names no column Date (or BillingPeriodStartDate) (hint: export "cost and usage details" as CSV; the names of the columns are its first line)
    costs.csv:1:1: the first line names no column CostInBillingCurrency (or Cost, PreTaxCost, BilledCost) (hint: save the file with commas between the columns, not with semicolons)
    costs.csv:1:1: the first line names no column CostInBillingCurrency (or Cost, PreTaxCost, BilledCost) (hint: export "cost and usage details" as CSV; the names of the columns are its first line)
    "#);
    // lines are counted the same where a carriage return stands before each line feed
    let of_windows: Vec<String> = cases.iter().map(|text| text.replace('\n', "\r\n")).collect();
    assert_eq!(of_windows.iter().map(told).collect::<String>(), all);
    let latin1 = b"Date,ResourceId,MeterCategory,Cost,Currency\n2026-11-01,st\xf6rung,Storage,1,EUR\n";
    let problems = read_costs(&latin1[..], "costs.csv", MONTHLY, &SERVICES).expect_err("no UTF-8");
    assert!(
        problems[0]
            .to_string()
            .contains("costs.csv:2:1: this row is no text in UTF-8"),
        "{problems:?}"
    );
}

#[test]
fn all_problems_are_told_up_to_a_limit() {
    let wrong = format!("2026-11-01,{VM},Virtual Machines,East US,x,EUR");
    let told = |number: usize| {
        read_by(&rows(&vec![wrong.as_str(); number]), MONTHLY)
            .expect_err("problems")
            .len()
    };
    assert_eq!(
        (told(3), told(PROBLEMS_MOST), told(1_000)),
        (3, PROBLEMS_MOST, PROBLEMS_MOST)
    );
}

#[test]
fn many_rows_need_no_more_than_their_resources() {
    let head = "Date,ResourceId,MeterCategory,Cost,Currency\n";
    let row = |nth: usize| format!("2026-11-01,vm-{},Virtual Machines,0.01,EUR\n", nth % 3);
    let body: String = (0..30_000).map(row).collect();
    let costs = read_costs(
        head.as_bytes().chain(Cursor::new(body)),
        "costs.csv",
        MONTHLY,
        &SERVICES,
    )
    .expect("costs");
    assert_eq!((costs.rows, costs.resources()), (30_000, 3));
    assert_eq!(costs.sums()["EUR"], Decimal::from(300));
}

#[test]
fn the_number_of_resources_is_limited() {
    let text = |number: usize| {
        let rows: String = (0..number)
            .map(|nth| format!("2026-11-01,vm-{nth},Storage,1,EUR\n"))
            .collect();
        format!("Date,ResourceId,MeterCategory,Cost,Currency\n{rows}")
    };
    assert_eq!(read(&text(RESOURCES_MOST)).resources(), RESOURCES_MOST);
    let problems = read_by(&text(RESOURCES_MOST + 1), MONTHLY).expect_err("one too many");
    assert!(problems[0].what.contains("more than 100000 resources"), "{problems:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever names and amounts a file holds: the document is read again, and says the same.
    #[test]
    fn the_document_is_read_again_without_problems(
        charged in proptest::collection::vec(
            ("[a-zA-Z0-9'\"#:{}\\[\\],&*!|>%@ äöü日-]{1,20}", "(Virtual Machines|Storage|SQL Database|S[a-z #:'\"]{1,12})", 0_i64..10_000_000, 1_u32..12),
            1..20,
        ),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["Date", "ResourceId", "MeterCategory", "Cost", "Currency"]).expect("a row");
        let mut sum = Decimal::ZERO;
        for (name, service, cents, month) in &charged {
            let amount = Decimal::new(*cents, 4);
            sum += amount;
            let row = [format!("2026-{month:02}-03"), format!("r{name}"), service.clone(), amount.to_string(), "EUR".to_owned()];
            writer.write_record(row).expect("a row");
        }
        let text = String::from_utf8(writer.into_inner().expect("a file")).expect("text");
        let costs = read(&text);
        let usages = usages(&costs.yaml());
        prop_assert_eq!(usages.len(), costs.resources());
        let read: Decimal = usages.iter().flat_map(|usage| usage.fees.values()).sum();
        prop_assert_eq!(read, sum);
    }
}
