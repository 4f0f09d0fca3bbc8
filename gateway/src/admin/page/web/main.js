// Starts the parts of the page and hands them what the gateway sends.

import * as client from './client.js';
import * as cluster from './cluster.js';
import * as connections from './connections.js';
import { $, schedule } from './dom.js';
import * as figures from './figures.js';
import * as frames from './frames.js';
import { own } from './own.js';
import * as picture from './picture.js';
import { listen } from './stream.js';
import * as timeline from './timeline.js';
import { GATEWAY_DOWN, t, translate } from './words.js';

function setLive(live) {
  picture.setLive(live);
  $('live').dataset.live = live ? 'yes' : 'no';
  const text = live ? t`live` : GATEWAY_DOWN;
  // The same sentence again would be read out again.
  if ($('live').textContent !== text) $('live').textContent = text;
}

translate();
for (const part of [client, connections, frames, picture, timeline]) part.start();
listen({
  began() { timeline.startOver(); client.offerPaths(); cluster.begin(); setLive(true); },
  lost() { setLive(false); cluster.end(); connections.show({ total: 0, newest: [] }); },
  record(record) { picture.follow(record); own.see(record); timeline.receive(record); schedule(); },
  rows: timeline.keep,
  instances: picture.begin,
  figures: figures.show,
  connections(listed) { picture.setConnected(listed.total); connections.show(listed); },
});
