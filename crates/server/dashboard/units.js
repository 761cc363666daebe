// Numbers for people. Nothing here is added up: the server sums exactly, and this only writes.

// The page is in English, and so are its numbers.
const LOCALE = "en-US";
const BYTES = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** How many digits are behind the point, that there are three as it is shown: 9.996 is so as 10.0. */
const digits = (value) => {
  if (value >= 99.95 || value === 0) return 0;
  return value >= 9.995 ? 1 : 2;
};

/** Bytes in units of ten to the third, as bills and networks have them: 1 GB is 10⁹ bytes. */
export const bytes = (count) => {
  let value = count;
  let unit = 0;
  // 999.6 of one unit would be shown as 1000.
  while (value >= 999.5 && unit < BYTES.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const places = unit === 0 ? 0 : digits(value);
  // By whole numbers, as halves like 1.005 are not what they seem to be.
  const rounded = Math.round(count / 10 ** (3 * unit - places)) / 10 ** places;
  const text = rounded.toLocaleString(LOCALE, { minimumFractionDigits: places, maximumFractionDigits: places });
  return `${text} ${BYTES[unit]}`;
};

/** All digits. A number that JavaScript cannot hold to the last one is said to be about that. */
export const exact = (count) =>
  `${Number.isSafeInteger(count) ? "" : "about "}${count.toLocaleString(LOCALE)} bytes`;

/** A count of anything. */
export const whole = (count) => count.toLocaleString(LOCALE);

/**
 * Money from the decimal text that the server writes. The text goes to the formatter as it is, which
 * rounds it as a decimal: it never becomes a binary fraction.
 */
export const money = (text, currency) => {
  const value = Number(text);
  const format = (options) => new Intl.NumberFormat(LOCALE, { style: "currency", currency, ...options });
  if (value === 0 || value >= 0.1) return format({ minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(text);
  // Nobody acts on less, and its digits would only fill the page.
  if (value < 0.0001) return `< ${format({ minimumFractionDigits: 4 }).format("0.0001")}`;
  return format({ minimumSignificantDigits: 2, maximumSignificantDigits: 2 }).format(text);
};

/** A share as per cent. */
export const share = (part, all) => {
  if (!all) return "0 %";
  const per = (100 * part) / all;
  if (per > 0 && per < 0.1) return "< 0.1 %";
  return `${per.toLocaleString(LOCALE, { maximumFractionDigits: per < 10 ? 1 : 0 })} %`;
};

/** How a number changed against the one before, in words and as a direction: -1, 0 or 1. */
export const change = (now, before) => {
  if (before === undefined || Number.isNaN(before)) return undefined;
  if (before === 0) return now === 0 ? { direction: 0, text: "–" } : { direction: 1, text: "new" };
  const ratio = now / before;
  if (ratio >= 9.95) return { direction: 1, text: `× ${whole(Math.round(ratio))}` };
  const per = Math.abs(ratio - 1) * 100;
  const text = `${per.toLocaleString(LOCALE, { maximumFractionDigits: per < 9.95 ? 1 : 0 })} %`;
  if (per < 0.05) return { direction: 0, text: "same" };
  return { direction: ratio > 1 ? 1 : -1, text };
};

/** How long something lasts, by its largest unit. */
export const duration = (seconds) => {
  if (seconds < 1) return "a moment";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
};

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DATE = { month: "short", day: "numeric" };

/** A moment in the reader's time, with no more of it than `isLong` needs. */
export const moment = (time, isLong = true) =>
  new Date(time).toLocaleString("en-GB", isLong ? { ...DATE, ...CLOCK } : CLOCK);

/** A day in the reader's time. */
export const date = (time) => new Date(time).toLocaleDateString("en-GB", DATE);

/** A day of a month by UTC, as months are billed. */
export const day = (time) => new Date(time).toLocaleDateString("en-GB", { ...DATE, timeZone: "UTC" });
