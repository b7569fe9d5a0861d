import type { IngestObserver } from '../core/observer.ts';

/** Makes one observer that passes every event to each of the given ones, in their order. */
export function combineObservers(observers: readonly IngestObserver[]): IngestObserver {
  return {
    streamOpened(load) {
      for (const observer of observers) observer.streamOpened(load);
    },
    batchReceived(load, batch) {
      for (const observer of observers) observer.batchReceived(load, batch);
    },
    batchDecoded(load, bytesDecoded) {
      for (const observer of observers) observer.batchDecoded(load, bytesDecoded);
    },
    loadCommitted(load, receipt, timing) {
      for (const observer of observers) observer.loadCommitted(load, receipt, timing);
    },
    loadFailed(load, error) {
      for (const observer of observers) observer.loadFailed(load, error);
    },
    streamClosed(load) {
      for (const observer of observers) observer.streamClosed(load);
    },
    requestFailed(request, error) {
      for (const observer of observers) observer.requestFailed(request, error);
    },
    admissionRejected() {
      for (const observer of observers) observer.admissionRejected();
    },
    inflightBytes(bytes) {
      for (const observer of observers) observer.inflightBytes(bytes);
    },
  };
}
