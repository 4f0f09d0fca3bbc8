// The gateway's stream of records, figures and connections.

const RETRY_MS = 1000;

let live = false;

/** Whether the gateway answers. */
export const isLive = () => live;

/** Listens for ever. The handlers are `began`, `lost`, `record`, `rows`, `instances`, `figures` and `connections`. */
export function listen(handlers) {
  const source = new EventSource('/timeline');
  source.onopen = () => { live = true; handlers.began(); };
  source.onmessage = ({ data }) => handlers.record(JSON.parse(data));
  for (const name of ['rows', 'instances', 'figures', 'connections']) source.addEventListener(name, ({ data }) => handlers[name](JSON.parse(data)));
  // The browser gives up for good on some failures, so every one is retried here.
  source.onerror = () => {
    source.close();
    live = false;
    handlers.lost();
    setTimeout(() => listen(handlers), RETRY_MS);
  };
}
