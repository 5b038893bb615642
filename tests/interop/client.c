/* A libmodbus master that does once what a plant does all day, through the gateway.
 *   client SOURCE HOST PORT        exits 0 when every answer is what the plant of plant.toml must give
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static modbus_t *ctx;
static int failed;

static void check(const char *what, int got, int wanted)
{
    int denied = got == -1 && errno == EMBXILFUN;
    if (wanted == -1 ? denied : got == wanted)
        return;
    printf("client: %s: got %d (%s), wanted %d\n", what, got, got == -1 ? modbus_strerror(errno) : "no error", wanted);
    failed = 1;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    /* libmodbus cannot choose its own address: connect here and hand it the socket. */
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
    inet_pton(AF_INET, argv[1], &from.sin_addr);
    inet_pton(AF_INET, argv[2], &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) || connect(fd, (struct sockaddr *)&to, sizeof to)) {
        perror("client: connect");
        return 1;
    }
    ctx = modbus_new_tcp(argv[2], atoi(argv[3]));
    modbus_set_slave(ctx, 1);
    modbus_set_response_timeout(ctx, 5, 0);
    modbus_set_socket(ctx, fd);

    uint16_t registers[125] = {0};
    uint8_t bits[100] = {0};
    check("FC 1", modbus_read_bits(ctx, 0, 16, bits), 16);
    check("FC 2", modbus_read_input_bits(ctx, 0, 50, bits), 50);
    check("FC 3", modbus_read_registers(ctx, 0, 100, registers), 100);
    check("FC 4", modbus_read_input_registers(ctx, 0, 50, registers), 50);
    check("FC 5", modbus_write_bit(ctx, 3, 1), 1);
    check("FC 6", modbus_write_register(ctx, 100, 4711), 1);
    uint8_t lamps[8] = {1, 0, 1, 0, 1, 0, 1, 0};
    check("FC 15", modbus_write_bits(ctx, 8, 8, lamps), 8);
    uint16_t values[3] = {1, 2, 3};
    check("FC 16", modbus_write_registers(ctx, 101, 3, values), 3);
    check("FC 22", modbus_mask_write_register(ctx, 104, 0x00f0, 0x0005), 1);
    check("FC 23", modbus_write_and_read_registers(ctx, 110, 2, values, 100, 4, registers), 4);
    check("FC 23 reads what FC 6 and 16 wrote", registers[0] == 4711 && registers[3] == 3, 1);
    uint8_t id[260];
    int length = modbus_report_slave_id(ctx, sizeof id, id);
    check("FC 17", length > 0, 1);
    check("FC 6 over the limit", modbus_write_register(ctx, 200, 1201), -1);
    check("FC 6 outside", modbus_write_register(ctx, 400, 1), -1);
    check("FC 3 outside", modbus_read_registers(ctx, 985, 10, registers), -1);
    check("FC 16 across two points, one denied", modbus_write_registers(ctx, 199, 2, (uint16_t[]){1, 1201}), -1);
    check("FC 23 with a denied write", modbus_write_and_read_registers(ctx, 400, 1, values, 0, 1, registers), -1);
    check("FC 3 after all that", modbus_read_registers(ctx, 101, 3, registers), 3);
    check("the values are those written", registers[0] == 1 && registers[1] == 2 && registers[2] == 3, 1);
    modbus_close(ctx);
    modbus_free(ctx);
    if (!failed)
        printf("client: 12 lawful and 5 unlawful requests as they should be\n");
    return failed;
}
