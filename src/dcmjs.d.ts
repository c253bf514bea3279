/** dcmjs ships no types; these are of the part that is used here. */
declare module 'dcmjs' {
  export interface DicomElement {
    vr?: string;
    Value?: unknown[];
  }

  export type DicomElements = Record<string, DicomElement | undefined>;

  export interface ReadOptions {
    /** Eight hex digits, upper case. */
    untilTag?: string | null;
    /** Stop also where `untilTag` is missing. */
    stopOnGreaterTag?: boolean;
    includeUntilTagValue?: boolean;
    ignoreErrors?: boolean;
  }

  export interface DicomDict {
    meta: DicomElements;
    dict: DicomElements;
    write(options?: Record<string, unknown>): ArrayBuffer;
  }

  export const data: {
    readonly DicomMessage: { readFile(buffer: ArrayBuffer, options?: ReadOptions): DicomDict };
    readonly DicomDict: new (meta: DicomElements) => DicomDict;
    readonly DicomMetaDictionary: {
      uid(): string;
      denaturalizeDataset(dataset: Record<string, unknown>): DicomElements;
      naturalizeDataset(elements: DicomElements): Record<string, unknown>;
    };
  };

  interface Log {
    setLevel(level: 'silent' | 'error' | 'warn'): void;
    getLogger(name: string): Log;
  }

  export const log: Log;

  const dcmjs: { readonly data: typeof data; readonly log: Log };
  export default dcmjs;
}
