import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** The value that `share` of all do not exceed (nearest rank); NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Most memory a process has had resident so far, in bytes (VmHWM of proc(5)). */
export function peakMemory(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? Number.NaN) * 1024;
}

/** CPU time a process has used so far, user and system, in seconds (fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function machine(): string {
  const all = cpus();
  return `${all.length} × ${all[0]?.model.trim() ?? 'unknown CPU'}, Node ${process.version}`;
}

/** In UTC, as in 2026-01-31: figures are kept with the day they were taken on. */
export function today(): string {
  return new Date().toISOString().slice(0, 10);
}
