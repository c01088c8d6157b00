"""The resources of WASI by their names in its contracts: one number for each, whatever version a component asks for."""

ERROR, POLLABLE, INPUT_STREAM, OUTPUT_STREAM = 301, 302, 303, 304
TERMINAL_INPUT, TERMINAL_OUTPUT = 311, 312
DESCRIPTOR, DIRECTORY_ENTRY_STREAM = 321, 322
NETWORK, TCP_SOCKET, UDP_SOCKET, INCOMING_DATAGRAMS, OUTGOING_DATAGRAMS, ADDRESSES = 331, 332, 333, 334, 335, 336
FIELDS, INCOMING_REQUEST, INCOMING_BODY, RESPONSE_OUTPARAM, OUTGOING_RESPONSE, OUTGOING_BODY = 341, 342, 343, 344, 345, 346
FUTURE_TRAILERS, OUTGOING_REQUEST, REQUEST_OPTIONS, INCOMING_RESPONSE, FUTURE_INCOMING_RESPONSE = 347, 348, 349, 350, 351

NUMBERS = {
    "error": ERROR, "io-error": ERROR, "pollable": POLLABLE, "input-stream": INPUT_STREAM, "output-stream": OUTPUT_STREAM,
    "terminal-input": TERMINAL_INPUT, "terminal-output": TERMINAL_OUTPUT,
    "descriptor": DESCRIPTOR, "directory-entry-stream": DIRECTORY_ENTRY_STREAM,
    "network": NETWORK, "tcp-socket": TCP_SOCKET, "udp-socket": UDP_SOCKET, "resolve-address-stream": ADDRESSES,
    "incoming-datagram-stream": INCOMING_DATAGRAMS, "outgoing-datagram-stream": OUTGOING_DATAGRAMS,
    "fields": FIELDS, "headers": FIELDS, "trailers": FIELDS, "incoming-request": INCOMING_REQUEST,
    "incoming-body": INCOMING_BODY, "response-outparam": RESPONSE_OUTPARAM, "outgoing-response": OUTGOING_RESPONSE,
    "outgoing-body": OUTGOING_BODY, "future-trailers": FUTURE_TRAILERS, "outgoing-request": OUTGOING_REQUEST,
    "request-options": REQUEST_OPTIONS, "incoming-response": INCOMING_RESPONSE,
    "future-incoming-response": FUTURE_INCOMING_RESPONSE,
}  # fmt: skip
