/** Identifiers are ASCII, with nothing in them that JSON would escape: no character is torn apart between two pieces. */
const token = /\s*(?:"([ !#-[\]-~]*)"|([[\],]))/y;
const beginning = /^\s*(?:"[ !#-[\]-~]*)?$/;

/**
 * Reads a JSON list of identifiers while it comes. A list of a hundred thousand has four megabytes: parsed and checked as a whole it would
 * hold the event loop for tens of milliseconds, in which no hook is answered; in pieces each takes less than one.
 */
export class IdListReader {
  #ids: string[] = [];
  /** The end of what came, when it is the beginning of something. */
  #rest = '';
  #next: 'list' | 'first' | 'separator' | 'id' | 'nothing' = 'list';

  /** The identifiers that are whole by now and were not before. @throws SyntaxError when this is no list of identifiers */
  read(bytes: Buffer): readonly string[] {
    this.#ids = [];
    const text = this.#rest + bytes.toString('latin1');
    token.lastIndex = 0;
    let at = 0;
    for (let found = token.exec(text); found !== null; found = token.exec(text)) {
      this.#take(found[1], found[2]);
      at = token.lastIndex;
    }
    this.#rest = text.slice(at);
    if (!beginning.test(this.#rest)) throw new SyntaxError('this is no list of identifiers');
    return this.#ids;
  }

  /** To be called when all has come. @throws SyntaxError when the list has no end */
  end(): void {
    if (this.#next !== 'nothing' || this.#rest.trim() !== '')
      throw new SyntaxError('the list of identifiers has no end');
  }

  #take(id: string | undefined, sign: string | undefined): void {
    if (id !== undefined && (this.#next === 'first' || this.#next === 'id')) {
      this.#ids.push(id);
      this.#next = 'separator';
    } else if (sign === '[' && this.#next === 'list') this.#next = 'first';
    else if (sign === ',' && this.#next === 'separator') this.#next = 'id';
    else if (sign === ']' && (this.#next === 'first' || this.#next === 'separator')) this.#next = 'nothing';
    else throw new SyntaxError('this is no list of identifiers');
  }
}
