/** dcmjs ships no types; this is what the tests use of it. */
declare module 'dcmjs' {
  type Naturalized = Record<string, unknown>;
  type Denaturalized = Record<string, { vr: string; Value?: unknown[] }>;
  class DicomDict {
    constructor(meta: Denaturalized);
    dict: Denaturalized;
    write(): ArrayBuffer;
  }
  const dcmjs: {
    data: {
      DicomDict: typeof DicomDict;
      DicomMetaDictionary: { denaturalizeDataset(dataset: Naturalized): Denaturalized };
    };
  };
  export default dcmjs;
}
