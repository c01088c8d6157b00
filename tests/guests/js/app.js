// A web app for any host of wasi:http: fetch events in, wasi:nn by name.
import { Tensor } from "wasi:nn/tensor@0.2.0-rc-2024-10-28";
import { loadByName } from "wasi:nn/graph@0.2.0-rc-2024-10-28";

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

let asked = 0;

async function answer(request) {
  asked += 1;
  const url = new URL(request.url);
  switch (url.pathname) {
    case "/echo":
      return new Response(await request.arrayBuffer(), { headers: { "x-query": url.search, "x-method": request.method } });
    case "/count":
      return Response.json({ asked, random: Math.random(), now: Date.now() });
    case "/events":
      return new Response(events(Number(url.searchParams.get("count"))), { headers: { "content-type": "text/event-stream" } });
    case "/hear":
      return new Response(hear(new Float32Array(await request.arrayBuffer())));
    case "/missing":
      return new Response(failure(() => loadByName("nothing")));
    case "/fetch":
      return fetch(url.searchParams.get("url")).then(
        async (found) => new Response(await found.text(), { status: found.status }),
        (error) => new Response(String(error), { status: 502 }),
      );
    case "/throw":
      throw new Error("the app's own mistake");
    case "/spin":
      for (;;);
    default:
      return new Response("not here", { status: 404 });
  }
}

// Floats of 16 kHz sound -> what the graph hears in it.
function hear(samples) {
  const context = loadByName("default").initExecutionContext();
  const bytes = new Uint8Array(samples.buffer);
  const [[, output]] = context.compute([["0", new Tensor(new Uint32Array([1, samples.length]), "FP32", bytes)]]);
  return output.data();
}

function failure(call) {
  try {
    call();
  } catch (error) {
    return `${error.payload.code()}: ${error.payload.data()}`;
  }
  return "no failure";
}

function events(count) {
  let sent = 0;
  const encoder = new TextEncoder();
  return new ReadableStream({
    pull(controller) {
      if (sent === count) controller.close();
      else controller.enqueue(encoder.encode(`data: ${sent++}\n\n`));
    },
  });
}
