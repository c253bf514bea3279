import { readFileSync } from 'node:fs';

/**
 * Loaded into the service's process before anything of the service (`node --import`): its wall clock goes wrong by as many
 * milliseconds as stand in the file that DDE_CHAOS_CLOCK names. Timers and `performance.now()` go on as they are, which is
 * what happens when somebody sets a machine's clock.
 */
const file = process.env.DDE_CHAOS_CLOCK;
const RealDate = Date;
let shiftMs = 0;

function read(): void {
  try {
    const shift = Number(readFileSync(file ?? '', 'utf8'));
    if (Number.isFinite(shift)) shiftMs = shift;
  } catch {
    // No file, no shift.
    shiftMs = 0;
  }
}

if (file !== undefined) {
  read();
  setInterval(read, 20).unref();
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [target.now() + shiftMs] : args, newTarget),
    apply: (target) => new target(target.now() + shiftMs).toString(),
    get: (target, name) => (name === 'now' ? () => target.now() + shiftMs : Reflect.get(target, name)),
  });
}
