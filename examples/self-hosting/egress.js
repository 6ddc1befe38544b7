// Where the worker's calls go: the origin and the node webhook through the doors that workerd.capnp has for them,
// everything else to the public network. It knows them by scheme, host and port, and looks nothing up. What a stranger names
// (LNURL) never comes by here: the worker sends it to LNURL_EGRESS, which has none of these doors.

const originOf = (url) => new URL(url).origin;

export default {
  fetch(request, env) {
    const to = originOf(request.url);
    if (to === originOf(env.POLICY.origin)) return env.ORIGIN.fetch(request);
    if (to === originOf(env.NODE_URL)) return env.NODE.fetch(request);
    return env.INTERNET.fetch(request);
  },
};
