/** One message of a `text/event-stream`. */
export interface StreamMessage {
  readonly event: string;
  readonly data: string;
  /** The last id the stream has named, also by an earlier message; null: none yet. */
  readonly id: string | null;
}

/**
 * Reads server-sent events, as the HTML standard has them: lines of `field: value`, a blank line ends a message, `:` begins a
 * remark. What is not ended when the stream ends is no message. `heard` is called for every piece that comes, remarks included.
 */
export async function* readStream(
  stream: AsyncIterable<Uint8Array>,
  heard: () => void = () => undefined,
): AsyncGenerator<StreamMessage> {
  const decoder = new TextDecoder();
  let rest = '';
  let event = '';
  let data: string[] = [];
  let id: string | null = null;
  for await (const piece of stream) {
    heard();
    rest += decoder.decode(piece, { stream: true });
    // A "\r" at the end may be the first half of "\r\n".
    const whole = rest.endsWith('\r') ? rest.slice(0, -1) : rest;
    const lines = whole.split(/\r\n|\r|\n/);
    rest = (lines.pop() ?? '') + rest.slice(whole.length);
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { event: event === '' ? 'message' : event, data: data.join('\n'), id };
        event = '';
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
      else if (field === 'id' && !value.includes('\0')) id = value;
    }
  }
}
