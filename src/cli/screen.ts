import type { Output } from './output.ts';

/** What is shown in place, one frame after the other. */
export interface Screen {
  show(print: (frame: Output) => void, heading: string): void;
  /** Leaves the terminal as it was, with the last frame on it. */
  close(): void;
}

const escape = String.fromCodePoint(27);
const enter = `${escape}[?1049h${escape}[?25l`;
const leave = `${escape}[?25h${escape}[?1049l`;
const home = `${escape}[H`;
const restOfLine = `${escape}[K`;
const restOfScreen = `${escape}[J`;

/**
 * On a terminal the frames take turns on its second screen, so that the first one is as before afterwards, with the last frame below
 * what was there. Each is written over the one before rather than after clearing, which would flicker. Without a terminal they
 * follow each other, a blank line between.
 */
export function openScreen(out: Output): Screen {
  return out.tty ? terminalScreen(out) : plainScreen(out);
}

function terminalScreen(out: Output): Screen {
  let last: string | null = null;
  return {
    show(print, heading) {
      const { out: frame, text } = out.frame();
      frame.line(frame.colour.dim(`${heading}  Ctrl-C ends it`));
      frame.line();
      print(frame);
      if (last === null) out.raw(enter);
      last = text();
      const lines = last.trimEnd().split('\n');
      const shown = fitting(lines, frame.height);
      out.raw(`${home}${shown.map((line) => `${line}${restOfLine}`).join('\r\n')}${restOfScreen}`);
    },
    close() {
      if (last === null) return;
      out.raw(leave);
      // Without the heading's hint: it has ended.
      out.raw(last.split('\n').slice(2).join('\n'));
    },
  };
}

/** A line more than fits would scroll all of it away. */
function fitting(lines: readonly string[], height: number | null): readonly string[] {
  if (height === null || lines.length <= height) return lines;
  const room = Math.max(1, height - 1);
  return [...lines.slice(0, room), `… ${lines.length - room} more lines`];
}

function plainScreen(out: Output): Screen {
  let first = true;
  return {
    show(print, heading) {
      if (!first) out.line();
      first = false;
      out.line(heading);
      print(out);
    },
    close: () => undefined,
  };
}
