/** Numbers, sizes and times as a person reads them. */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function count(value: number): string {
  return whole.format(value);
}

/** "1 image", "2,000 images". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** At most three figures that matter. */
export function figure(value: number): string {
  const most = Math.abs(value);
  if (!Number.isFinite(value)) return '∞';
  if (most >= 100 || Number.isInteger(value)) return count(value);
  return most >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const power = Math.min(units.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[power] ?? ''}`;
}

export function perSecond(value: number): string {
  if (value === 0) return '0/s';
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)}/s`;
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '∞';
  if (seconds === 0) return '0 s';
  if (seconds < 1) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** Whole seconds below ten as well: for figures that change while one looks. */
export function age(seconds: number): string {
  return seconds < 10 ? `${Math.round(seconds)} s` : duration(seconds);
}

/** By the 24-hour clock, as on the charts and at the command line. */
export function exactTime(at: string): string {
  return new Date(at).toLocaleString(undefined, {
    dateStyle: 'medium',
    timeStyle: 'medium',
    hourCycle: 'h23',
  });
}

export function ago(at: string, now: number): string {
  const seconds = (now - Date.parse(at)) / 1000;
  if (seconds < 2) return 'just now';
  return `${age(seconds)} ago`;
}

/** The beginning and the end of a long identifier; the whole belongs in the title. */
export function shortUid(uid: string, most = 28): string {
  return uid.length <= most ? uid : `${uid.slice(0, most - 10)}…${uid.slice(-8)}`;
}
