import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { write } from '../../test/support/proxy-flow.ts';

/** An instance as it goes over an association. */
export interface StorableFile {
  readonly sopClass: string;
  readonly sopUid: string;
  /** Explicit VR little endian, without the file's header. */
  readonly dataSet: Buffer;
}

export interface Association {
  /**
   * Sends one instance and waits for the answer.
   *
   * @throws Error when it is not acknowledged with success, or the association breaks
   */
  store(file: StorableFile): Promise<void>;
  /** Ends it as the standard wants it. */
  release(): Promise<void>;
  /** Breaks it off; may be called at any time. */
  abort(): void;
}

export interface AssociationOptions {
  readonly sopClass: string;
  readonly callingAet: string;
  /** Whether Nagle's algorithm is switched off; default yes. */
  readonly noDelay?: boolean;
  /**
   * Whether head and content of each PDU are handed to the system one by one, as DCMTK does, instead of a message at once; default no. With
   * Nagle's algorithm on it makes the difference: a small piece then waits for the acknowledgement of the one before.
   */
  readonly isPiecemeal?: boolean;
}

const applicationContext = '1.2.840.10008.3.1.1.1';
const explicitLittleEndian = '1.2.840.10008.1.2.1';
const implementation = '2.25.188418470498134213745902812630427061733';
const pdu = { associateRq: 1, associateAc: 2, data: 4, releaseRq: 5, releaseRp: 6 };
/** An answer that does not come within this time never comes. */
const answerMs = 60_000;

/**
 * An association of the DICOM upper layer (PS3.8) that stays open while its study trickles in, as a modality's does. DCMTK's tools send as fast
 * as they can, a process for each study: with them neither the pace of the images could be given, nor the time of each
 * acknowledgement be taken.
 *
 * @throws Error when the front does not take the association
 */
export async function associate(
  port: number,
  { sopClass, callingAet, noDelay = true, isPiecemeal = false }: AssociationOptions,
): Promise<Association> {
  const socket = connect({ host: '127.0.0.1', port, noDelay });
  // Reported again where the socket is read.
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  const incoming = pdusOf(socket);
  const next = async (): Promise<Pdu> => {
    const late = setTimeout(() => socket.destroy(), answerMs);
    try {
      const { value, done } = await incoming.next();
      if (done === true) throw new Error(`${callingAet}: the association broke`);
      return value;
    } finally {
      clearTimeout(late);
    }
  };

  socket.write(associateRq(sopClass, callingAet));
  const answer = await next();
  if (answer.type !== pdu.associateAc || !acceptsContext(answer.body)) {
    socket.destroy();
    throw new Error(`${callingAet}: the association was refused (PDU type ${answer.type})`);
  }
  const most = maxLength(answer.body);
  let message = 0;

  return {
    async store({ sopUid, dataSet }) {
      message = (message % 65_535) + 1;
      const pieces = [
        ...fragments(storeRq(sopClass, sopUid, message), 1, most),
        ...fragments(dataSet, 0, most),
      ];
      if (isPiecemeal) for (const piece of pieces) await written(socket, piece);
      else await write(socket, Buffer.concat(pieces));
      const told = await next();
      const status = told.type === pdu.data ? statusOf(told.body) : null;
      if (status === 0) return;
      socket.destroy();
      throw new Error(
        `${sopUid} was not acknowledged: ${status === null ? `PDU ${told.type}` : `0x${status.toString(16)}`}`,
      );
    },
    async release() {
      socket.write(framed(pdu.releaseRq, Buffer.alloc(4)));
      await next();
      socket.destroy();
    },
    abort: () => socket.destroy(),
  };
}

/** @throws RangeError when the file is cut off, Error when it has no SOP class */
export function storable(file: Buffer): StorableFile {
  const dataSetAt = 144 + file.readUInt32LE(140);
  let sopClass = '';
  let sopUid = '';
  for (let at = 144; at < dataSetAt; ) {
    const isLong = ['OB', 'UN'].includes(file.toString('latin1', at + 4, at + 6));
    const length = isLong ? file.readUInt32LE(at + 8) : file.readUInt16LE(at + 6);
    const from = at + (isLong ? 12 : 8);
    const text = file.toString('latin1', from, from + length).replace(/\0$/, '');
    if (file.readUInt16LE(at + 2) === 2) sopClass = text;
    if (file.readUInt16LE(at + 2) === 3) sopUid = text;
    at = from + length;
  }
  if (sopClass === '' || sopUid === '') throw new Error('a file without SOP class or instance');
  return { sopClass, sopUid, dataSet: file.subarray(dataSetAt) };
}

/** Resolves when the system has taken it: what is written before that, Node would hand over together with the next. */
function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

interface Pdu {
  readonly type: number;
  readonly body: Buffer;
}

async function* pdusOf(socket: Socket): AsyncGenerator<Pdu, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const bytes of socket) {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 6 && rest.length >= 6 + rest.readUInt32BE(2)) {
      const end = 6 + rest.readUInt32BE(2);
      const body = rest.subarray(6, end);
      const type = rest.readUInt8(0);
      rest = rest.subarray(end);
      yield { type, body };
    }
  }
  return undefined;
}

function associateRq(sopClass: string, callingAet: string): Buffer {
  const context = Buffer.concat([
    Buffer.from([1, 0, 0, 0]),
    item(0x30, Buffer.from(sopClass)),
    item(0x40, Buffer.from(explicitLittleEndian)),
  ]);
  const mostIn = Buffer.alloc(4);
  mostIn.writeUInt32BE(65_536);
  return framed(
    pdu.associateRq,
    Buffer.concat([
      Buffer.from([0, 1, 0, 0]),
      Buffer.from('ANY'.padEnd(16)),
      Buffer.from(callingAet.slice(0, 16).padEnd(16)),
      Buffer.alloc(32),
      item(0x10, Buffer.from(applicationContext)),
      item(0x20, context),
      item(0x50, Buffer.concat([item(0x51, mostIn), item(0x52, Buffer.from(implementation))])),
    ]),
  );
}

function item(type: number, body: Buffer): Buffer {
  const head = Buffer.from([type, 0, 0, 0]);
  head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}

function framed(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt8(type, 0);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}

/** The items of an answer to an association request, type and body. */
function* itemsOf(body: Buffer, from: number): Generator<readonly [number, Buffer]> {
  for (let at = from; at + 4 <= body.length; at += 4 + body.readUInt16BE(at + 2)) {
    yield [body.readUInt8(at), body.subarray(at + 4, at + 4 + body.readUInt16BE(at + 2))];
  }
}

function acceptsContext(body: Buffer): boolean {
  for (const [type, content] of itemsOf(body, 68)) if (type === 0x21) return content.readUInt8(2) === 0;
  return false;
}

function maxLength(body: Buffer): number {
  for (const [type, content] of itemsOf(body, 68)) {
    if (type !== 0x50) continue;
    for (const [sub, value] of itemsOf(content, 0)) {
      // 0: without limit.
      if (sub === 0x51) return value.readUInt32BE(0) || 65_536;
    }
  }
  return 16_384;
}

/** PDUs that carry one command or data set, in the only presentation context. */
function fragments(bytes: Buffer, command: 0 | 1, most: number): Buffer[] {
  const room = most - 6;
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += room) {
    const piece = bytes.subarray(at, at + room);
    const head = Buffer.alloc(12);
    head.writeUInt8(pdu.data, 0);
    head.writeUInt32BE(piece.length + 6, 2);
    head.writeUInt32BE(piece.length + 2, 6);
    head.writeUInt8(1, 10);
    head.writeUInt8(command | (at + room >= bytes.length ? 2 : 0), 11);
    pieces.push(head, piece);
  }
  return pieces;
}

/** The command set of a C-STORE request (PS3.7, 9.3.1), implicit VR little endian as all commands are. */
function storeRq(sopClass: string, sopUid: string, message: number): Buffer {
  const body = Buffer.concat([
    element(0x0002, padded(sopClass)),
    element(0x0100, short(0x0001)),
    element(0x0110, short(message)),
    element(0x0700, short(0)),
    element(0x0800, short(0)),
    element(0x1000, padded(sopUid)),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([element(0, length), body]);
}

function element(tag: number, value: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16LE(tag, 2);
  head.writeUInt32LE(value.length, 4);
  return Buffer.concat([head, value]);
}

function short(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16LE(value);
  return buffer;
}

function padded(uid: string): Buffer {
  return Buffer.from(uid.length % 2 === 0 ? uid : `${uid}\0`);
}

/** (0000,0900) of the answer's command set; null: it has none. */
function statusOf(body: Buffer): number | null {
  for (let at = 6; at + 8 <= body.length; at += 8 + body.readUInt32LE(at + 4)) {
    if (body.readUInt16LE(at) === 0 && body.readUInt16LE(at + 2) === 0x0900) return body.readUInt16LE(at + 8);
  }
  return null;
}
