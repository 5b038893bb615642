/* A PLC made of libmodbus, with a witness: every check of what reached the device asks here, never the gateway.
 *
 *   cc -O2 -I/usr/include/modbus plc.c -o plc -lmodbus        (Debian: libmodbus-dev)
 *   plc --modbus 127.0.1.20:5020 --witness 127.0.1.20:5021 [--serial 3,4] [--log ENTRIES]
 *
 * Direct (the default): one device, whatever unit id is sent. --serial: a converter with these units behind it, each with a
 * memory of its own; unit 0 is a broadcast (executed by all, answered by none); a foreign unit is met with silence.
 * Like many devices, libmodbus ignores the MBAP length and the protocol id, executes writes to unit 0 and sleeps 500 ms
 * after a function code that it does not know: the right device to test a gateway against.
 *
 * The witness speaks lines of text over a socket of its own; every answer is one line of JSON:
 *   image            {"1": {"coils": "..", "discrete": "..", "input": "..", "holding": ".."}, ..}   hex, four digits a register
 *   log FROM         {"first": FROM, "next": N, "entries": [{"n", "at", "what", "connection", "from", "bytes"}, ..]}
 *                    what: open, request, garbage (what libmodbus could not take), close; at: seconds by CLOCK_REALTIME
 *   set UNIT BANK ADDRESS VALUE      {"ok": true}                                    prepares a value, as the plant would
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CELLS 2000
#define SOCKETS 512
#define UNITS 8

enum role { FREE, MODBUS_LISTENER, WITNESS_LISTENER, MASTER, WITNESS };

struct entry {
    double at;
    const char *what;
    int connection, length;
    char from[48];
    uint8_t bytes[MODBUS_TCP_MAX_ADU_LENGTH];
};

static struct {
    int unit;
    modbus_mapping_t *map;
} units[UNITS];
static int unit_count, serial;

static struct pollfd polled[SOCKETS];
static enum role roles[SOCKETS];
static int connections[SOCKETS];
static char peers[SOCKETS][48];
static char lines[SOCKETS][256];
static int socket_count, next_connection = 1;

static struct entry *journal;
static long kept = 100000, written;

static int most_masters = SOCKETS;

static void note(const char *what, int slot, const uint8_t *bytes, int length)
{
    if (kept == 0)
        return;
    struct entry *entry = &journal[written++ % kept];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    entry->at = now.tv_sec + now.tv_nsec / 1e9;
    entry->what = what;
    entry->connection = connections[slot];
    entry->length = length;
    memcpy(entry->from, peers[slot], sizeof entry->from);
    if (length > 0)
        memcpy(entry->bytes, bytes, length);
}

static int listen_on(const char *text)
{
    char host[64];
    int port, on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET};
    if (sscanf(text, "%63[^:]:%d", host, &port) != 2 || inet_pton(AF_INET, host, &at.sin_addr) != 1) {
        fprintf(stderr, "plc: `%s` is not IP:PORT\n", text);
        exit(64);
    }
    at.sin_port = htons(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 64)) {
        fprintf(stderr, "plc: %s: %s\n", text, strerror(errno));
        exit(1);
    }
    return fd;
}

static void add(int fd, enum role role)
{
    if (socket_count == SOCKETS) {
        close(fd);
        return;
    }
    polled[socket_count] = (struct pollfd){.fd = fd, .events = POLLIN};
    roles[socket_count] = role;
    connections[socket_count] = 0;
    lines[socket_count][0] = 0;
    socket_count++;
}

/* Connections of masters. */
static int masters(void)
{
    int count = 0;
    for (int slot = 0; slot < socket_count; slot++)
        count += roles[slot] == MASTER;
    return count;
}

static void welcome(int listener, enum role role)
{
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    int on = 1, fd = accept(listener, (struct sockaddr *)&from, &size);
    if (fd < 0)
        return;
    if (role == MASTER && masters() >= most_masters) {
        /* What a device does that has no socket left. */
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    add(fd, role);
    int slot = socket_count - 1;
    if (polled[slot].fd != fd)
        return;
    char ip[32];
    inet_ntop(AF_INET, &from.sin_addr, ip, sizeof ip);
    snprintf(peers[slot], sizeof peers[slot], "%s:%d", ip, ntohs(from.sin_port));
    if (role == MASTER) {
        connections[slot] = next_connection++;
        note("open", slot, NULL, 0);
    }
}

static void drop(int slot)
{
    if (roles[slot] == MASTER)
        note("close", slot, NULL, 0);
    close(polled[slot].fd);
    polled[slot].fd = -1;
    roles[slot] = FREE;
}

/* What a device without a reader for it does with a broadcast: executes it and says nothing. */
static void execute_silently(modbus_t *ctx, const uint8_t *request, int length, modbus_mapping_t *map)
{
    int nowhere[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, nowhere))
        return;
    int real = modbus_get_socket(ctx);
    modbus_set_socket(ctx, nowhere[0]);
    modbus_reply(ctx, request, length, map);
    modbus_set_socket(ctx, real);
    close(nowhere[0]);
    close(nowhere[1]);
}

static void serve(modbus_t *ctx, int slot)
{
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    modbus_set_socket(ctx, polled[slot].fd);
    int length = modbus_receive(ctx, request);
    if (length == -1) {
        if (errno != ECONNRESET)
            note("garbage", slot, NULL, 0);
        drop(slot);
        return;
    }
    if (length == 0)
        return;
    note("request", slot, request, length);
    int unit = request[6];
    if (!serial) {
        modbus_reply(ctx, request, length, units[0].map);
        return;
    }
    for (int i = 0; i < unit_count; i++) {
        if (unit == 0)
            execute_silently(ctx, request, length, units[i].map);
        else if (units[i].unit == unit)
            modbus_reply(ctx, request, length, units[i].map);
    }
}

static void print_bits(FILE *out, const char *name, const uint8_t *cells)
{
    fprintf(out, "\"%s\": \"", name);
    for (int i = 0; i < CELLS; i++)
        fputc(cells[i] ? '1' : '0', out);
    fputs("\", ", out);
}

static void print_registers(FILE *out, const char *name, const uint16_t *cells, const char *after)
{
    fprintf(out, "\"%s\": \"", name);
    for (int i = 0; i < CELLS; i++)
        fprintf(out, "%04x", cells[i]);
    fprintf(out, "\"%s", after);
}

static void print_image(FILE *out)
{
    fputc('{', out);
    for (int i = 0; i < unit_count; i++) {
        modbus_mapping_t *map = units[i].map;
        fprintf(out, "%s\"%d\": {", i ? ", " : "", units[i].unit);
        print_bits(out, "coils", map->tab_bits);
        print_bits(out, "discrete", map->tab_input_bits);
        print_registers(out, "input", map->tab_input_registers, ", ");
        print_registers(out, "holding", map->tab_registers, "}");
    }
    fputs("}\n", out);
}

static void print_log(FILE *out, long from)
{
    if (from < written - kept)
        from = written - kept;
    if (from < 0)
        from = 0;
    fprintf(out, "{\"first\": %ld, \"next\": %ld, \"entries\": [", from, written);
    for (long n = from; n < written; n++) {
        struct entry *entry = &journal[n % kept];
        fprintf(out, "%s{\"n\": %ld, \"at\": %.6f, \"what\": \"%s\", \"connection\": %d, \"from\": \"%s\", \"bytes\": \"",
                n > from ? ", " : "", n, entry->at, entry->what, entry->connection, entry->from);
        for (int i = 0; i < entry->length; i++)
            fprintf(out, "%02x", entry->bytes[i]);
        fputs("\"}", out);
    }
    fputs("]}\n", out);
}

static int set(const char *line)
{
    int unit, address, value;
    char bank[16];
    if (sscanf(line, "set %d %15s %d %d", &unit, bank, &address, &value) != 4 || address < 0 || address >= CELLS)
        return 0;
    for (int i = 0; i < unit_count; i++) {
        modbus_mapping_t *map = units[i].map;
        if (serial && units[i].unit != unit)
            continue;
        if (!strcmp(bank, "coils"))
            map->tab_bits[address] = value != 0;
        else if (!strcmp(bank, "discrete"))
            map->tab_input_bits[address] = value != 0;
        else if (!strcmp(bank, "input"))
            map->tab_input_registers[address] = value;
        else if (!strcmp(bank, "holding"))
            map->tab_registers[address] = value;
        else
            return 0;
        return 1;
    }
    return 0;
}

static void answer(int slot, const char *line)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    long from;
    if (!strcmp(line, "image"))
        print_image(out);
    else if (sscanf(line, "log %ld", &from) == 1 && kept)
        print_log(out, from);
    else
        fprintf(out, "{\"ok\": %s}\n", set(line) ? "true" : "false");
    fclose(out);
    for (size_t done = 0; done < size;) {
        ssize_t sent = send(polled[slot].fd, text + done, size - done, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        done += sent;
    }
    free(text);
}

static void testify(int slot)
{
    char *line = lines[slot];
    size_t have = strlen(line);
    ssize_t got = recv(polled[slot].fd, line + have, sizeof lines[slot] - 1 - have, 0);
    if (got <= 0) {
        drop(slot);
        return;
    }
    line[have + got] = 0;
    for (char *end; (end = strchr(line, '\n'));) {
        *end = 0;
        answer(slot, line);
        memmove(line, end + 1, strlen(end + 1) + 1);
    }
}

int main(int argc, char **argv)
{
    const char *modbus = NULL, *witness = NULL, *list = "1";
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--modbus"))
            modbus = argv[i + 1];
        else if (!strcmp(argv[i], "--witness"))
            witness = argv[i + 1];
        else if (!strcmp(argv[i], "--serial"))
            list = argv[i + 1], serial = 1;
        else if (!strcmp(argv[i], "--sockets"))
            most_masters = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--log"))
            kept = atol(argv[i + 1]);
    }
    if (!modbus || !witness || kept < 0) {
        fprintf(stderr, "usage: plc --modbus IP:PORT --witness IP:PORT [--serial UNIT,UNIT] [--sockets COUNT] [--log ENTRIES]\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    for (const char *at = list; at && unit_count < UNITS; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        units[unit_count].unit = atoi(at);
        units[unit_count++].map = modbus_mapping_new(CELLS, CELLS, CELLS, CELLS);
    }
    journal = calloc(kept ? kept : 1, sizeof *journal);
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 502);
    if (!journal || !ctx)
        return 1;
    add(listen_on(modbus), MODBUS_LISTENER);
    add(listen_on(witness), WITNESS_LISTENER);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        if (poll(polled, socket_count, -1) < 0)
            continue;
        for (int slot = 0, count = socket_count; slot < count; slot++) {
            if (!polled[slot].revents)
                continue;
            switch (roles[slot]) {
            case MODBUS_LISTENER: welcome(polled[slot].fd, MASTER); break;
            case WITNESS_LISTENER: welcome(polled[slot].fd, WITNESS); break;
            case MASTER: serve(ctx, slot); break;
            case WITNESS: testify(slot); break;
            case FREE: break;
            }
        }
        int live = 0;
        for (int slot = 0; slot < socket_count; slot++) {
            if (roles[slot] == FREE)
                continue;
            if (live != slot) {
                polled[live] = polled[slot];
                roles[live] = roles[slot];
                connections[live] = connections[slot];
                memcpy(peers[live], peers[slot], sizeof peers[live]);
                memcpy(lines[live], lines[slot], sizeof lines[live]);
            }
            live++;
        }
        socket_count = live;
    }
}
