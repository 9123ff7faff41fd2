//! When a rule applies: weekly windows, dates and holidays, in the site's time zone.
//!
//! In: a wall time. Out: whether what the rule is about is permitted then. Windows are civil times: where clocks are set back, an hour that
//! comes twice is in the window twice; where they are set forward, one that does not come is in none. Pure, reads no clock.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

const DAY_MINUTES: u16 = 24 * 60;

/// A stretch of time that comes again: on which days, at which hours. What is left out does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Days of the week, and `holiday`: a date of `agent.holidays`, which is then no day of the week.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub days: Option<Vec<Day>>,
    /// Dates, besides the days.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub dates: Option<Vec<DateSpan>>,
    /// Hours of the day, `HH:MM-HH:MM`, without its end. Across midnight the window belongs to the day on which it begins.
    #[serde(default)]
    pub hours: Option<Hours>,
}

/// A kind of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
    /// A date of `agent.holidays`, whatever its day of the week.
    Holiday,
}

impl Day {
    fn of(date: Date, holidays: &[DateSpan]) -> Self {
        if holidays.iter().any(|span| span.contains(date)) {
            return Self::Holiday;
        }
        match date.weekday() {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "Monday",
            Self::Tue => "Tuesday",
            Self::Wed => "Wednesday",
            Self::Thu => "Thursday",
            Self::Fri => "Friday",
            Self::Sat => "Saturday",
            Self::Sun => "Sunday",
            Self::Holiday => "holidays",
        }
    }
}

/// A text is not a stretch of dates or hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Not two times of a day.
    #[error("is not of the form HH:MM-HH:MM")]
    NotHours,
    /// It ends when it begins.
    #[error("ends when it begins; leave the hours out for the whole day")]
    NoTime,
    /// Not a date, or not two.
    #[error("is not a date of the calendar, nor two as first..last")]
    NotDates,
    /// The last date comes before the first.
    #[error("ends before it begins")]
    Inverted,
}

/// One date, or all from a first to a last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct DateSpan {
    first: Date,
    last: Date,
}

impl DateSpan {
    fn contains(self, date: Date) -> bool {
        (self.first..=self.last).contains(&date)
    }
}

impl FromStr for DateSpan {
    type Err = WindowError;
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let date = |text: &str| Date::strptime("%Y-%m-%d", text).map_err(|_| WindowError::NotDates);
        let (first, last) = (date(first)?, date(last)?);
        if last < first { Err(WindowError::Inverted) } else { Ok(Self { first, last }) }
    }
}

impl TryFrom<String> for DateSpan {
    type Error = WindowError;
    fn try_from(text: String) -> Result<Self, WindowError> {
        text.parse()
    }
}

/// As it stands in the configuration.
impl From<DateSpan> for String {
    fn from(DateSpan { first, last }: DateSpan) -> Self {
        if first == last { first.to_string() } else { format!("{first}..{last}") }
    }
}

impl fmt::Display for DateSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{} to {}", self.first, self.last) }
    }
}

impl JsonSchema for DateSpan {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DateSpan".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}(\.\.\d{4}-\d{2}-\d{2})?$",
            "x-allowed": "a date as 2026-10-01, or 2026-10-01..2026-10-07"
        })
    }
}

/// From a minute of the day to another, across midnight if the second is the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    from: u16,
    to: u16,
}

impl Hours {
    /// How long it is.
    #[must_use]
    pub fn length(&self) -> Duration {
        let minutes = if self.to > self.from { self.to - self.from } else { self.to + DAY_MINUTES - self.from };
        Duration::from_mins(u64::from(minutes))
    }
}

impl FromStr for Hours {
    type Err = WindowError;
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let minute = |text: &str| -> Option<u16> {
            let (hour, minute) = text.split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            let of_day = hour * 60 + minute;
            (hour <= 24 && minute < 60 && of_day <= DAY_MINUTES).then_some(of_day)
        };
        let (from, to) = text.split_once('-').ok_or(WindowError::NotHours)?;
        let (from, to) = minute(from).zip(minute(to)).ok_or(WindowError::NotHours)?;
        if from == DAY_MINUTES {
            return Err(WindowError::NotHours);
        }
        if from == to { Err(WindowError::NoTime) } else { Ok(Self { from, to }) }
    }
}

impl TryFrom<String> for Hours {
    type Error = WindowError;
    fn try_from(text: String) -> Result<Self, WindowError> {
        text.parse()
    }
}

/// As it stands in the configuration.
impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.to_string()
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl JsonSchema for Hours {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hours".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$",
            "x-allowed": "hours as 06:00-08:30, across midnight as 22:00-06:00"
        })
    }
}

impl Window {
    /// The longest time for which it lasts without a break: its hours, or a day.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.hours.as_ref().map_or(Duration::from_hours(24), Hours::length)
    }

    /// Whether it holds every minute of every day.
    #[must_use]
    pub fn is_always(&self) -> bool {
        let weekdays = |days: &Vec<Day>| (0..8).all(|day| days.iter().any(|given| *given as u8 == day));
        let every_day = self.days.as_ref().map_or(self.dates.is_none(), weekdays);
        every_day && self.length() >= Duration::from_hours(24)
    }

    fn contains(&self, local: DateTime, holidays: &[DateSpan]) -> bool {
        let is_on = |date: Date| self.is_on(date, holidays);
        let Some(Hours { from, to }) = self.hours else { return is_on(local.date()) };
        let minute = minute_of(local.time());
        if from < to {
            return (from..to).contains(&minute) && is_on(local.date());
        }
        let began_yesterday = || local.date().checked_sub(1.day()).is_ok_and(is_on);
        (minute >= from && is_on(local.date())) || (minute < to && began_yesterday())
    }

    fn is_on(&self, date: Date, holidays: &[DateSpan]) -> bool {
        let by_day = self.days.as_ref().map(|days| days.contains(&Day::of(date, holidays)));
        let by_date = self.dates.as_ref().map(|dates| dates.iter().any(|span| span.contains(date)));
        match (by_day, by_date) {
            (None, None) => true,
            (by_day, by_date) => by_day.unwrap_or(false) || by_date.unwrap_or(false),
        }
    }
}

fn minute_of(time: Time) -> u16 {
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.days.iter().flatten().map(|day| day.as_str().to_owned());
        let dates = self.dates.iter().flatten().map(ToString::to_string);
        let on: Vec<String> = days.chain(dates).collect();
        let on = if on.is_empty() { "every day".to_owned() } else { on.join(", ") };
        match &self.hours {
            Some(hours) => write!(f, "{on} {hours}"),
            None => write!(f, "{on}"),
        }
    }
}

/// The site's calendar.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    /// Zone of its civil times.
    pub time_zone: TimeZone,
    /// Dates that windows call `holiday`.
    pub holidays: Vec<DateSpan>,
}

impl Default for Calendar {
    /// UTC without holidays.
    fn default() -> Self {
        Self { time_zone: TimeZone::UTC, holidays: Vec::new() }
    }
}

/// When a rule applies; by default always.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schedule {
    calendar: Arc<Calendar>,
    permitted: Vec<Window>,
    only: Vec<Window>,
}

impl Schedule {
    /// A rule that applies in the windows of `only` (always, if there is none) but in none of `permitted`.
    #[must_use]
    pub fn new(calendar: Arc<Calendar>, permitted: Vec<Window>, only: Vec<Window>) -> Self {
        Self { calendar, permitted, only }
    }

    /// Whether what the rule is about is permitted at this time.
    #[must_use]
    pub fn is_permitted(&self, at: Timestamp) -> bool {
        if self.permitted.is_empty() && self.only.is_empty() {
            return false;
        }
        let local = self.calendar.time_zone.to_datetime(at);
        let in_any = |windows: &[Window]| windows.iter().any(|w| w.contains(local, &self.calendar.holidays));
        in_any(&self.permitted) || !(self.only.is_empty() || in_any(&self.only))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(yaml: &str) -> Window {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn schedule(zone: &str, permitted: &[&str], only: &[&str]) -> Schedule {
        let calendar = Calendar {
            time_zone: TimeZone::get(zone).unwrap(),
            holidays: vec!["2026-10-01..2026-10-07".parse().unwrap()],
        };
        let windows = |texts: &[&str]| texts.iter().map(|text| window(text)).collect();
        Schedule::new(Arc::new(calendar), windows(permitted), windows(only))
    }

    /// 2026-11-21 is a Saturday.
    fn is_permitted(schedule: &Schedule, at: &str) -> bool {
        schedule.is_permitted(at.parse().unwrap())
    }

    #[test]
    fn a_morning_market_is_permitted_on_its_days_and_hours() {
        let market = schedule("Asia/Shanghai", &["{days: [sat, sun], hours: \"06:00-08:30\"}"], &[]);
        assert!(is_permitted(&market, "2026-11-21T06:00:00+08:00"));
        assert!(is_permitted(&market, "2026-11-21T08:29:59+08:00"));
        assert!(!is_permitted(&market, "2026-11-21T08:30:00+08:00"), "the end is not in it");
        assert!(!is_permitted(&market, "2026-11-20T07:00:00+08:00"), "a Friday");
    }

    #[test]
    fn a_window_across_midnight_belongs_to_the_day_on_which_it_begins() {
        let night = schedule("Asia/Shanghai", &["{days: [sat], hours: \"22:00-02:00\"}"], &[]);
        assert!(is_permitted(&night, "2026-11-21T23:00:00+08:00"));
        assert!(is_permitted(&night, "2026-11-22T01:59:00+08:00"), "Sunday morning");
        assert!(!is_permitted(&night, "2026-11-21T01:00:00+08:00"), "Friday's night");
    }

    #[test]
    fn only_windows_permit_everything_outside_them() {
        let at_night = schedule("Asia/Shanghai", &["{dates: [2026-12-31]}"], &["{hours: \"22:00-24:00\"}"]);
        assert!(is_permitted(&at_night, "2026-11-21T21:59:00+08:00"));
        assert!(!is_permitted(&at_night, "2026-11-21T23:59:00+08:00"));
        assert!(is_permitted(&at_night, "2026-12-31T23:00:00+08:00"), "permitted wins over only");
    }

    #[test]
    fn a_holiday_is_no_day_of_the_week() {
        let weekdays = schedule("Asia/Shanghai", &["{days: [mon, tue, wed, thu, fri]}"], &[]);
        assert!(is_permitted(&weekdays, "2026-09-30T12:00:00+08:00"));
        assert!(!is_permitted(&weekdays, "2026-10-01T12:00:00+08:00"), "a Thursday, and a holiday");
        let holidays = schedule("Asia/Shanghai", &["{days: [holiday]}"], &[]);
        assert!(is_permitted(&holidays, "2026-10-07T23:59:59+08:00"));
        assert!(!is_permitted(&holidays, "2026-10-08T00:00:00+08:00"));
    }

    #[test]
    fn windows_follow_the_clock_on_the_wall_when_it_is_changed() {
        // In Berlin 02:00 became 03:00 on 2026-03-29, and 03:00 became 02:00 on 2026-10-25.
        let early = schedule("Europe/Berlin", &["{hours: \"02:30-03:30\"}"], &[]);
        assert!(!is_permitted(&early, "2026-03-29T00:59:00Z"), "01:59");
        assert!(is_permitted(&early, "2026-03-29T01:00:00Z"), "03:00, right after 01:59");
        assert!(is_permitted(&early, "2026-10-25T00:30:00Z"), "02:30, for the first time");
        assert!(!is_permitted(&early, "2026-10-25T01:00:00Z"), "02:00, for the second time");
        assert!(is_permitted(&early, "2026-10-25T01:30:00Z"), "02:30, for the second time");
    }

    #[test]
    fn what_is_no_window_is_refused() {
        assert_eq!("08:00-08:00".parse::<Hours>(), Err(WindowError::NoTime));
        for text in ["8", "08:00", "24:00-06:00", "08:60-09:00", "-1:00-02:00", "25:00-26:00"] {
            assert_eq!(text.parse::<Hours>(), Err(WindowError::NotHours), "{text}");
        }
        assert_eq!("2026-02-30".parse::<DateSpan>(), Err(WindowError::NotDates));
        assert_eq!("2026-03-02..2026-03-01".parse::<DateSpan>(), Err(WindowError::Inverted));
        assert!(window("{hours: \"00:00-24:00\"}").is_always());
        assert!(!window("{days: [mon]}").is_always());
    }
}
